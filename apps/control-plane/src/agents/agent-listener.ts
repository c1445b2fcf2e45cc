import { constants } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { HostPort } from "../config.js";

const HANDSHAKE_DEADLINE_MS = 5_000;
const MAX_CONNECTIONS = 10_000;

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
 * grpc-js can only ask and insist, or neither; so TLS ends here, and whoever takes the connections sees who proved what
 * (`socket.authorized`) before a byte of HTTP/2 is read.
 */
export class AgentListener {
  readonly #server: Server;

  constructor(certificate: ListenerCertificate, onConnection: (socket: TLSSocket) => void) {
    this.#server = createServer({
      ...contextOf(certificate),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_DEADLINE_MS,
      ALPNProtocols: ["h2"],
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("secureConnection", (socket) => {
      // Unheard, the error of a connection that breaks would end the process.
      socket.on("error", () => socket.destroy());
      socket.setNoDelay(true);
      onConnection(socket);
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  /** @throws an error that names the address and says what to do when it is taken */
  async listen({ host, port }: HostPort): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const advice = `${host}:${port} is taken by another program; stop it or set DRAWBRIDGE_AGENT_LISTEN`;
        reject(error.code === "EADDRINUSE" ? new Error(advice) : error);
      });
      this.#server.listen(port, host, resolve);
    });
  }

  /** For connections made from now on. */
  renew(certificate: ListenerCertificate): void {
    this.#server.setSecureContext(contextOf(certificate));
  }

  /** Takes no more connections; those there are stay. */
  close(): void {
    this.#server.close();
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
