import { AgentServiceClient, EnrolmentServiceClient } from "@drawbridge/protocol";
import { type ChannelOptions, credentials } from "@grpc/grpc-js";
import { type Address, formatAddress } from "../enrolment/address.js";
import type { Identity } from "../enrolment/identity.js";

/** No frame is larger than this, whatever the control plane or the configuration say. */
export const HARD_MESSAGE_LIMIT = 64 * 1024 * 1024;
const FRAME_OVERHEAD = 64 * 1024;

const OPTIONS: ChannelOptions = {
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  // The default window of 64 KiB carries 0.4 MB/s over 100 ms.
  "grpc-node.flow_control_window": 4 * 1024 * 1024,
  "grpc.max_receive_message_length": HARD_MESSAGE_LIMIT + FRAME_OVERHEAD,
  "grpc.max_send_message_length": HARD_MESSAGE_LIMIT + FRAME_OVERHEAD,
  // A frame is sent once or not at all; whoever dials decides about dialling again.
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  // Two connections to one address must be two TCP connections: the new one proves another certificate.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_http_proxy": 0,
};

/** A channel that proves this agent's certificate and accepts only certificates of the control plane's CA. */
export function openAgentChannel(address: Address, identity: Identity): AgentServiceClient {
  const proof = credentials.createSsl(
    Buffer.from(identity.caBundle),
    Buffer.from(identity.privateKey),
    Buffer.from(identity.certificateChain),
  );
  return new AgentServiceClient(formatAddress(address), proof, OPTIONS);
}

/** A channel without a client certificate, for joining. Trusts exactly `caCertificate` (PEM). */
export function openEnrolmentChannel(address: Address, caCertificate: string): EnrolmentServiceClient {
  return new EnrolmentServiceClient(
    formatAddress(address),
    credentials.createSsl(Buffer.from(caCertificate)),
    OPTIONS,
  );
}
