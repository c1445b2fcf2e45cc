import { Injectable } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import type { RenewCertificateResponse } from "@drawbridge/protocol";
import { AuditLog } from "../audit/index.js";
import { Database } from "../platform/database.js";
import { type Agent, AgentsRepository } from "./agents.repository.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { readCertificateRequest } from "./certificates.js";
import { RefusedCall } from "./refused-call.js";

/** Issues an agent its next certificate. The one in use stays valid until the next one is first used. */
@Injectable()
export class CertificateRenewal {
  constructor(
    private readonly database: Database,
    private readonly authority: CertificateAuthority,
    private readonly audit: AuditLog,
  ) {}

  /** @throws RefusedCall */
  async renew(agent: Agent, certificateSigningRequest: Uint8Array): Promise<RenewCertificateResponse> {
    const publicKey = await readCertificateRequest(certificateSigningRequest);
    if (!publicKey) {
      throw new RefusedCall(
        status.INVALID_ARGUMENT,
        "the certificate request must be a signed PKCS #10 with a P-256 or Ed25519 key",
      );
    }
    const { chain, serial, notAfter } = await this.authority.issueForAgent(agent.id, publicKey);
    await this.database.transaction(async (transaction) => {
      if (!(await new AgentsRepository(transaction).setNext(agent.id, serial, notAfter))) {
        throw new RefusedCall(status.PERMISSION_DENIED, "this agent was removed or quarantined meanwhile");
      }
      await this.audit.record(transaction, {
        actor: `agent:${agent.id}`,
        action: "agent.renewed",
        subject: agent.id,
        details: { name: agent.name, serial },
      });
    });
    return { certificateChain: chain, caBundle: await this.authority.bundle() };
  }
}
