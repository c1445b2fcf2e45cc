import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 60 * 60_000;

x509.cryptoProvider.set(webcrypto as unknown as Crypto);

type KeyPair = webcrypto.CryptoKeyPair;

export interface ServerCertificate {
  readonly privateKey: string;
  /** Leaf, then CA. */
  readonly chain: string;
}

/** Issues what a control plane would. */
export class FakeCertificateAuthority {
  readonly certificate: x509.X509Certificate;
  readonly #keys: KeyPair;

  static async create(name = "CN=Fake CA"): Promise<FakeCertificateAuthority> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name,
      keys,
      serialNumber: serial(),
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + DAY_MS),
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    });
    return new FakeCertificateAuthority(certificate, keys);
  }

  private constructor(certificate: x509.X509Certificate, keys: KeyPair) {
    this.certificate = certificate;
    this.#keys = keys;
  }

  get pem(): string {
    return this.certificate.toString("pem");
  }

  get fingerprint(): string {
    return createHash("sha256").update(Buffer.from(this.certificate.rawData)).digest("hex");
  }

  async issueServerCertificate(): Promise<ServerCertificate> {
    const keys = await generateKeys();
    const leaf = await this.#issue(keys.publicKey, DAY_MS, [
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
      ]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ]);
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
    return {
      privateKey: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
      chain: `${leaf.toString("pem")}\n${this.pem}`,
    };
  }

  /** Throws when the request is not signed by its own key. */
  async issueAgentCertificate(request: Uint8Array, lifeMs: number): Promise<x509.X509Certificate> {
    const csr = new x509.Pkcs10CertificateRequest(new Uint8Array(request));
    if (!(await csr.verify())) throw new Error("the request is not signed by its own key");
    if (csr.subject !== "") throw new Error("the request carries an identity");
    return this.#issue(await csr.publicKey.export(), lifeMs, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ]);
  }

  #issue(publicKey: CryptoKey, lifeMs: number, extensions: x509.Extension[]): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      subject: "CN=somebody",
      issuer: this.certificate.subject,
      publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      serialNumber: serial(),
      notBefore: new Date(),
      notAfter: new Date(Date.now() + lifeMs),
      extensions,
    });
  }
}

async function generateKeys(): Promise<KeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as KeyPair;
}

function serial(): string {
  return `01${randomBytes(8).toString("hex")}`;
}
