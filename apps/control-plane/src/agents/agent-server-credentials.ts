import { constants } from "node:crypto";
import type { SecureServerOptions } from "node:http2";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";

const HANDSHAKE_DEADLINE_MS = 5_000;
/** What an agent may send ahead, per stream and per connection. 64 KiB carry 0.6 MB/s over 100 ms. */
export const WINDOW_BYTES = 4 * 1024 * 1024;
const MAX_STREAMS = 2_100;
const MAX_HEADER_BYTES = 16_384;

export interface ListenerCertificate {
  /** PEM, leaf first, then its authority: a joining agent compares the authority with its token. */
  readonly chain: string;
  /** PEM. */
  readonly privateKey: string;
  /** PEM of the authorities whose certificates agents may show. */
  readonly trusted: string;
}

/**
 * TLS 1.3 that asks for a client certificate and does not insist on one, so that one port serves joining agents too.
 * grpc-js can only ask and insist, or neither (`createSsl`), and sets no window on the server; what it is constructed
 * with goes to Node's own TLS and HTTP/2 unchanged. A certificate that does not verify counts as none: grpc-js shows
 * only verified ones to the handlers.
 */
export class AgentServerCredentials extends ServerCredentials {
  constructor(certificate: ListenerCertificate) {
    const tls: SecureServerOptions = {
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_DEADLINE_MS,
      settings: {
        initialWindowSize: WINDOW_BYTES,
        maxConcurrentStreams: MAX_STREAMS,
        maxHeaderListSize: MAX_HEADER_BYTES,
      },
    };
    super(tls, contextOf(certificate));
  }

  /** For connections made from now on. */
  renew(certificate: ListenerCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ chain, privateKey, trusted }: ListenerCertificate): SecureContextOptions {
  return {
    cert: chain,
    key: privateKey,
    ca: trusted,
    minVersion: "TLSv1.3",
    // A resumed session would not show its certificate again.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
