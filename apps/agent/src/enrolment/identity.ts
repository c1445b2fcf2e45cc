import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { failure } from "../operator-error.js";
import type { Address } from "./address.js";

/** All an agent is: what it proves itself with, whom it trusts and where it dials. Kept in one file, replaced whole. */
export interface Identity {
  readonly agentId: string;
  readonly agentName: string;
  readonly agentGroup: string;
  readonly controlPlane: readonly Address[];
  /** PEM, PKCS #8, P-256. */
  readonly privateKey: string;
  /** PEM, leaf first. */
  readonly certificateChain: string;
  /** PEM: every CA certificate the control plane may present a certificate of. */
  readonly caBundle: string;
  /** PEM, PKCS #8, X25519: leases are sealed to its public half. */
  readonly sealingKey: string;
}

export interface SealingKey {
  readonly privateKey: string;
  /** Raw, 32 bytes. */
  readonly publicKey: Buffer;
}

export function generateCertificateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function exportKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

export function generateSealingKey(): SealingKey {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const raw = publicKey.export({ format: "jwk" }).x;
  return { privateKey: exportKey(privateKey), publicKey: Buffer.from(raw ?? "", "base64url") };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in order. */
export function readCertificates(pem: string): X509Certificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((block) => new X509Certificate(block));
}

export function leafOf(certificateChain: string): X509Certificate {
  const [leaf] = readCertificates(certificateChain);
  if (!leaf) throw failure("the control plane sent no certificate: upgrade it, or look at its log");
  return leaf;
}

/** Refuses what a control plane issued when it is not for our key or not by a CA it names: it could never be used. */
export function checkIssued(
  issued: { certificateChain: string; caBundle: string },
  privateKey: KeyObject,
): void {
  const leaf = leafOf(issued.certificateChain);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw failure("the control plane issued a certificate for another key: look at its log");
  }
  const authorities = readCertificates(issued.caBundle);
  if (!authorities.some((authority) => isIssuedBy(leaf, authority))) {
    throw failure(
      "the control plane issued a certificate that none of its own CA certificates signed: look at its log",
    );
  }
}

/** True when `authority` is a CA certificate and its key really signed `certificate`. */
export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

/** The key of an identity, for signing the next certificate request. */
export function privateKeyOf(identity: Identity): KeyObject {
  return createPrivateKey(identity.privateKey);
}
