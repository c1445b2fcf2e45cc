import type { JoinResponse } from "@drawbridge/protocol";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { openEnrolmentChannel } from "../link/channel.js";
import { failure, type OperatorError } from "../operator-error.js";
import { AGENT_VERSION } from "../version.js";
import { type Address, formatAddress } from "./address.js";
import { createCertificateRequest } from "./certificate-request.js";
import {
  checkIssued,
  exportKey,
  generateCertificateKey,
  generateSealingKey,
  type Identity,
} from "./identity.js";
import type { JoinToken } from "./join-token.js";
import { fetchServerAuthority } from "./server-authority.js";
import type { StateDirectory } from "./state-directory.js";

const JOIN_DEADLINE_MS = 15_000;

export interface JoinOptions {
  readonly token: JoinToken;
  /** Where to join. */
  readonly enrolment: Address;
  /** What the agent dials from then on. */
  readonly controlPlane: readonly Address[];
  readonly state: StateDirectory;
}

/** Makes the agent's keys, trades the token for a certificate and stores the identity. */
export async function join(options: JoinOptions): Promise<Identity> {
  const caCertificate = await fetchServerAuthority(options.enrolment, options.token.caFingerprint);
  const privateKey = generateCertificateKey();
  const sealing = generateSealingKey();
  const response = await requestJoin(options, caCertificate, {
    token: options.token.secret,
    certificateSigningRequest: createCertificateRequest(privateKey),
    sealingPublicKey: sealing.publicKey,
    agentVersion: AGENT_VERSION,
  });
  checkIssued(response, privateKey);
  const identity: Identity = {
    agentId: response.agentId,
    agentName: response.agentName,
    agentGroup: response.agentGroup,
    controlPlane: options.controlPlane,
    privateKey: exportKey(privateKey),
    certificateChain: response.certificateChain,
    caBundle: response.caBundle,
    sealingKey: sealing.privateKey,
  };
  await options.state.save(identity);
  return identity;
}

type JoinRequestFields = Parameters<ReturnType<typeof openEnrolmentChannel>["join"]>[0];

function requestJoin(
  options: JoinOptions,
  caCertificate: string,
  request: JoinRequestFields,
): Promise<JoinResponse> {
  const client = openEnrolmentChannel(options.enrolment, caCertificate);
  const deadline = Date.now() + JOIN_DEADLINE_MS;
  return new Promise<JoinResponse>((resolve, reject) => {
    client.join(request, new Metadata(), { deadline }, (error, response) => {
      if (error) reject(explain(error, options.enrolment));
      else resolve(response);
    });
  }).finally(() => client.close());
}

function explain(error: ServiceError, address: Address): OperatorError {
  const reason = REASONS.get(error.code);
  if (reason) return failure(reason, error);
  return failure(`joining at ${formatAddress(address)} failed: ${error.details}`, error);
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [
    status.UNAUTHENTICATED,
    "this token is unknown, already used or expired: make another with `drawbridge agents invite`",
  ],
  [
    status.RESOURCE_EXHAUSTED,
    "too many joins from this address: wait a minute and run the same command again",
  ],
  [
    status.INVALID_ARGUMENT,
    "the control plane refused the certificate request: agent and control plane may be too far apart in version",
  ],
]);
