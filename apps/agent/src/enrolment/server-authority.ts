import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { failure } from "../operator-error.js";
import { type Address, formatAddress } from "./address.js";
import { isIssuedBy } from "./identity.js";

const HANDSHAKE_DEADLINE_MS = 5_000;
const MAX_CHAIN = 8;

/**
 * Fetches the CA certificate the control plane at `address` presents and returns it, PEM, if it is the one the join
 * token names and really signed the server's certificate. Nothing is sent on this connection: the caller dials again,
 * trusting exactly what this returns, before the token leaves the machine.
 */
export async function fetchServerAuthority(address: Address, caFingerprint: string): Promise<string> {
  const chain = await fetchChain(address);
  const index = chain.findIndex((certificate) => sha256(certificate.raw) === caFingerprint);
  const authority = chain[index];
  if (!authority) {
    throw failure(
      `${formatAddress(address)} is not the control plane that issued this token: its CA has another fingerprint. ` +
        "Check the address; if it is right, someone is between you and it",
    );
  }
  const signed = chain.slice(0, index).every((certificate, position) => {
    const issuer = chain[position + 1];
    return issuer !== undefined && isIssuedBy(certificate, issuer);
  });
  if (index === 0 || !signed) {
    throw failure(`the certificate of ${formatAddress(address)} is not signed by the CA this token names`);
  }
  return authority.toString();
}

async function fetchChain(address: Address): Promise<X509Certificate[]> {
  const socket = connect({
    host: address.host,
    port: address.port,
    ALPNProtocols: ["h2"],
    // The CA is not known yet: what arrives here is only compared with the fingerprint, never trusted.
    rejectUnauthorized: false,
    ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
  });
  try {
    await handshake(socket, address);
    return certificatesOf(socket);
  } finally {
    socket.destroy();
  }
}

function handshake(socket: TLSSocket, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(failure(`${formatAddress(address)} did not finish a TLS handshake within 5 seconds`)),
      HANDSHAKE_DEADLINE_MS,
    );
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(
        failure(
          `cannot reach a control plane at ${formatAddress(address)}: ${error.code ?? error.message}`,
          error,
        ),
      );
    });
  });
}

function certificatesOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let current: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (current?.raw && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(current.raw));
    // A self-signed certificate is its own issuer.
    current = current.issuerCertificate === current ? undefined : current.issuerCertificate;
  }
  return chain;
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
