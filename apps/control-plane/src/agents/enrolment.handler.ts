import { Injectable } from "@nestjs/common";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import type { JoinRequest, JoinResponse } from "@drawbridge/protocol";
import { EnrolmentService } from "./enrolment.service.js";
import { statusOf } from "./refused-call.js";

/** EnrolmentService of the protocol: the one service for callers without a certificate. */
@Injectable()
export class EnrolmentHandler {
  constructor(private readonly enrolment: EnrolmentService) {}

  join(call: ServerUnaryCall<JoinRequest, JoinResponse>, answer: sendUnaryData<JoinResponse>): void {
    this.enrolment.join(call.request, addressOf(call.getPeer())).then(
      (response) => answer(null, response),
      (error: unknown) => answer(statusOf(error)),
    );
  }
}

/** gRPC names a peer by address:port, without brackets. */
function addressOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(":"));
}
