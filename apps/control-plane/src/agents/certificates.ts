import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

export const DAY_MS = 86_400_000;
const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const CLOCK_SKEW_MS = 60_000;
const MAX_REQUEST_BYTES = 8_192;

export interface SigningAuthority {
  readonly certificate: X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

export interface IssuedCertificate {
  /** PEM, leaf first, then its authority. */
  readonly chain: string;
  /** 32 lower case hexadecimal digits. */
  readonly serial: string;
  readonly notAfter: Date;
}

/** A self-signed authority for agents and for the listener they dial. */
export async function makeAuthority(name: string, now: Date, notAfter: Date): Promise<SigningAuthority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    serialNumber: randomSerial(),
    notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
    notAfter,
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as CryptoKey),
    ],
  });
  return { certificate, key: keys.privateKey };
}

/** The certificate an agent proves itself with for 24 hours. Its identity is ours, whatever the request said. */
export function issueAgentCertificate(
  authority: SigningAuthority,
  agent: { readonly id: string; readonly publicKey: PublicKey },
  now: Date,
): Promise<IssuedCertificate> {
  return issue(authority, {
    commonName: `agent ${agent.id}`,
    publicKey: agent.publicKey,
    usage: ExtendedKeyUsage.clientAuth,
    names: [{ type: "url", value: agentUri(agent.id) }],
    now,
  });
}

/** The certificate of the listener, with a key that never leaves this process. */
export async function issueServerCertificate(
  authority: SigningAuthority,
  hosts: readonly string[],
  now: Date,
): Promise<IssuedCertificate & { readonly privateKey: string }> {
  const keys = await generateKeys();
  const certificate = await issue(authority, {
    commonName: "drawbridge control plane",
    publicKey: keys.publicKey as CryptoKey,
    usage: ExtendedKeyUsage.serverAuth,
    names: [...new Set(hosts)].map((host) => ({
      type: isIP(host) ? ("ip" as const) : ("dns" as const),
      value: host,
    })),
    now,
  });
  return { ...certificate, privateKey: await exportKey(keys.privateKey) };
}

/** Identity in an agent's certificate. */
export function agentUri(agentId: string): string {
  return `drawbridge://agent/${agentId}`;
}

/**
 * The key of a PKCS #10 request whose signature proves that the sender holds it. Nothing else of the request counts.
 * Undefined for a request that is broken, has another kind of key, or is not signed by its key.
 */
export async function readCertificateRequest(der: Uint8Array): Promise<PublicKey | undefined> {
  if (der.length === 0 || der.length > MAX_REQUEST_BYTES) return undefined;
  try {
    const request = new Pkcs10CertificateRequest(new Uint8Array(der));
    const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string };
    const isAccepted = name === "Ed25519" || (name === P256.name && namedCurve === P256.namedCurve);
    return isAccepted && (await request.verify()) ? request.publicKey : undefined;
  } catch {
    return undefined;
  }
}

export async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}

export function exportKeyDer(key: webcrypto.CryptoKey): Promise<ArrayBuffer> {
  return webcrypto.subtle.exportKey("pkcs8", key);
}

export function importKeyDer(der: Uint8Array): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("pkcs8", new Uint8Array(der), P256, false, ["sign"]);
}

interface Leaf {
  readonly commonName: string;
  readonly publicKey: PublicKey | CryptoKey;
  readonly usage: ExtendedKeyUsage;
  readonly names: JsonGeneralNames;
  readonly now: Date;
}

async function issue(authority: SigningAuthority, leaf: Leaf): Promise<IssuedCertificate> {
  const serial = randomSerial();
  const notAfter = new Date(leaf.now.getTime() + DAY_MS);
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [leaf.commonName] }],
    issuer: authority.certificate.subjectName.toJSON(),
    serialNumber: serial,
    notBefore: new Date(leaf.now.getTime() - CLOCK_SKEW_MS),
    notAfter,
    publicKey: leaf.publicKey,
    signingKey: authority.key as CryptoKey,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([leaf.usage], true),
      new SubjectAlternativeNameExtension(leaf.names),
      await AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
      await SubjectKeyIdentifierExtension.create(leaf.publicKey),
    ],
  });
  return {
    chain: `${certificate.toString("pem")}\n${authority.certificate.toString("pem")}\n`,
    serial,
    notAfter,
  };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

/** RFC 5280 section 4.1.2.2: positive; the second highest bit is set so that it always has the same length. */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
