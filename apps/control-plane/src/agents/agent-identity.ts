import { status } from "@grpc/grpc-js";
import { agentUri } from "./certificates.js";
import { RefusedCall } from "./refused-call.js";

/** Who calls, as the TLS connection proves it. No message is ever asked for it. */
export interface AgentIdentity {
  readonly agentId: string;
  /** 32 lower case hexadecimal digits. */
  readonly serial: string;
  readonly certificateEndsAt: Date;
}

interface PeerCall {
  getAuthContext(): {
    readonly sslPeerCertificate?: {
      subjectaltname?: string | undefined;
      serialNumber: string;
      valid_to: string;
    };
  };
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const AGENT = new RegExp(`^URI:${agentUri(`(${UUID})`)}$`);

/** @throws RefusedCall for a connection without a certificate of an agent */
export function identityOf(call: PeerCall): AgentIdentity {
  // grpc-js has this only when the chain leads to an authority we trust, for the purpose of a client.
  const { sslPeerCertificate: certificate } = call.getAuthContext();
  const [, agentId] = AGENT.exec(certificate?.subjectaltname ?? "") ?? [];
  if (!certificate || !agentId) {
    throw new RefusedCall(
      status.UNAUTHENTICATED,
      "a valid certificate of an agent is needed; join with a token from `drawbridge agents invite`",
    );
  }
  return {
    agentId,
    serial: certificate.serialNumber.toLowerCase(),
    certificateEndsAt: new Date(certificate.valid_to),
  };
}
