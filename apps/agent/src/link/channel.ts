import { AgentServiceClient, EnrolmentServiceClient } from "@drawbridge/protocol";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { type ChannelOptions, credentials, type VerifyOptions } from "@grpc/grpc-js";
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
    verifyOptions(address),
  );
  return new AgentServiceClient(formatAddress(address), proof, optionsFor(address));
}

/** A channel without a client certificate, for joining. Trusts exactly `caCertificate` (PEM). */
export function openEnrolmentChannel(address: Address, caCertificate: string): EnrolmentServiceClient {
  const trust = credentials.createSsl(Buffer.from(caCertificate), null, null, verifyOptions(address));
  return new EnrolmentServiceClient(formatAddress(address), trust, optionsFor(address));
}

/**
 * gRPC names the host in the TLS handshake, and Node refuses an IP address there (RFC 6066 §3). So for an address a
 * name that means nothing is sent, and the certificate is checked against the address that was dialled.
 */
function optionsFor(address: Address): ChannelOptions {
  return isIP(address.host) === 0
    ? OPTIONS
    : { ...OPTIONS, "grpc.ssl_target_name_override": "control-plane.invalid" };
}

function verifyOptions(address: Address): VerifyOptions {
  if (isIP(address.host) === 0) return {};
  return { checkServerIdentity: (_name, certificate) => checkServerIdentity(address.host, certificate) };
}
