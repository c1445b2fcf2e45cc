import { createPublicKey, type KeyObject, sign } from "node:crypto";

const TAG = { integer: 0x02, bitString: 0x03, sequence: 0x30, attributes: 0xa0 } as const;
// AlgorithmIdentifier of ecdsa-with-SHA256 (1.2.840.10045.4.3.2), RFC 5758 §3.2.
const ECDSA_WITH_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");

/**
 * A PKCS #10 request (RFC 2986) for a P-256 key, DER, with an empty subject and no attributes: the control plane assigns
 * the identity, so there is nothing to say but the key. Four fields do not need an ASN.1 library, whose code would
 * stay in memory for the life of the agent.
 */
export function createCertificateRequest(privateKey: KeyObject): Buffer {
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const info = encode(
    TAG.sequence,
    encode(TAG.integer, Buffer.from([0])),
    encode(TAG.sequence),
    publicKey,
    encode(TAG.attributes),
  );
  const signature = sign("sha256", info, privateKey);
  return encode(TAG.sequence, info, ECDSA_WITH_SHA256, encode(TAG.bitString, Buffer.from([0]), signature));
}

function encode(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), encodeLength(body.length), body]);
}

function encodeLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}
