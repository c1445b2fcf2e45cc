import { Injectable } from "@nestjs/common";
import { type sendUnaryData, type ServerUnaryCall, status } from "@grpc/grpc-js";
import type { RenewCertificateRequest, RenewCertificateResponse } from "@drawbridge/protocol";
import { AgentAdmission } from "./agent-admission.js";
import { identityOf } from "./agent-identity.js";
import { CertificateRenewal } from "./certificate-renewal.js";
import { RefusedCall, statusOf } from "./refused-call.js";
import { TokenBuckets } from "./token-buckets.js";

const RENEWALS = { perSecond: 0.1, burst: 5, keys: 10_000 };

type RenewalCall = ServerUnaryCall<RenewCertificateRequest, RenewCertificateResponse>;

/** RenewCertificate of AgentService. */
@Injectable()
export class RenewalHandler {
  private readonly renewals = new TokenBuckets(RENEWALS);

  constructor(
    private readonly admission: AgentAdmission,
    private readonly renewal: CertificateRenewal,
  ) {}

  renewCertificate(call: RenewalCall, answer: sendUnaryData<RenewCertificateResponse>): void {
    this.renew(call).then(
      (response) => answer(null, response),
      (error: unknown) => answer(statusOf(error)),
    );
  }

  private async renew(call: RenewalCall): Promise<RenewCertificateResponse> {
    const identity = identityOf(call);
    if (!this.renewals.take(identity.agentId)) {
      throw new RefusedCall(status.RESOURCE_EXHAUSTED, "too many renewals; wait a minute");
    }
    return this.renewal.renew(await this.admission.admit(identity), call.request.certificateSigningRequest);
  }
}
