import { createHash, randomUUIDv7 } from "node:crypto";
import { Injectable, Logger } from "@nestjs/common";
import { type PublicKey, X509Certificate } from "@peculiar/x509";
import { AuditLog } from "../audit/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { KeyEncryption } from "../platform/key-encryption.js";
import {
  CertificateAuthorityRepository,
  type CertificateAuthorityRow,
} from "./certificate-authority.repository.js";
import {
  DAY_MS,
  exportKeyDer,
  importKeyDer,
  issueAgentCertificate,
  type IssuedCertificate,
  issueServerCertificate,
  makeAuthority,
  type SigningAuthority,
} from "./certificates.js";

const KEY_PURPOSE = "agent-ca";
const VALID_YEARS = 10;
// Agents learn of the next authority when they renew, every 12 hours; leaves of a retired one live for 24.
const ROTATION_PAUSE_MS = 25 * 3_600_000;

interface Loaded {
  readonly current: SigningAuthority;
  /** PEM of every authority whose certificates count. */
  readonly trusted: readonly string[];
}

/**
 * The authority behind every certificate between agents and control plane. There is a current one, which signs, and
 * while a rotation is under way a next one, which agents already trust.
 */
@Injectable()
export class CertificateAuthority {
  private readonly logger = new Logger("agents");
  private loaded: Promise<Loaded> | undefined;

  constructor(
    private readonly database: Database,
    private readonly keys: KeyEncryption,
    private readonly clock: Clock,
    private readonly audit: AuditLog,
  ) {}

  /** Reads the authorities again; makes the first one where there is none. */
  async reload(): Promise<void> {
    const loading = this.load();
    await loading;
    this.loaded = loading;
  }

  /** PEM: what both sides trust now. */
  async bundle(): Promise<string> {
    return (await this.get()).trusted.join("\n");
  }

  /** SHA-256 of the current certificate's DER, 64 lower case hexadecimal digits. */
  async fingerprint(): Promise<string> {
    const { current } = await this.get();
    return createHash("sha256").update(Buffer.from(current.certificate.rawData)).digest("hex");
  }

  async issueForAgent(id: string, publicKey: PublicKey): Promise<IssuedCertificate> {
    const { current } = await this.get();
    return issueAgentCertificate(current, { id, publicKey }, this.clock.now());
  }

  async issueForListener(hosts: readonly string[]) {
    const { current } = await this.get();
    return issueServerCertificate(current, hosts, this.clock.now());
  }

  /**
   * One step of a rotation: makes the next authority, or, at least 25 hours later, when every agent trusts it, lets it
   * sign. Until then another step is refused.
   */
  async rotate(actor: string): Promise<"prepared" | "promoted" | "too_early"> {
    const step = await this.database.transaction(async (transaction) => {
      const authorities = new CertificateAuthorityRepository(transaction);
      await authorities.lock();
      const now = this.clock.now();
      const next = (await authorities.trusted(now)).find(({ state }) => state === "next");
      if (next && now.getTime() - next.createdAt.getTime() < ROTATION_PAUSE_MS) return "too_early";
      if (next) {
        await authorities.retireCurrent(now);
        await authorities.promoteNext();
      } else {
        await this.make(authorities, "next", now);
      }
      const done = next ? "promoted" : "prepared";
      await this.audit.record(transaction, {
        actor,
        action: "certificate_authority.rotated",
        subject: "agents",
        details: { step: done },
      });
      return done;
    });
    await this.reload();
    return step;
  }

  private get(): Promise<Loaded> {
    this.loaded ??= this.load().catch((error: unknown) => {
      this.loaded = undefined;
      throw error;
    });
    return this.loaded;
  }

  private async load(): Promise<Loaded> {
    const rows = await this.database.transaction(async (transaction) => {
      const authorities = new CertificateAuthorityRepository(transaction);
      const now = this.clock.now();
      const retiredAfter = new Date(now.getTime() - ROTATION_PAUSE_MS);
      const known = await authorities.trusted(retiredAfter);
      if (known.some(({ state }) => state === "current")) return known;
      await authorities.lock();
      // Another replica may have made it while this one waited.
      const since = await authorities.trusted(retiredAfter);
      if (since.some(({ state }) => state === "current")) return since;
      const id = await this.make(authorities, "current", now);
      await this.audit.record(transaction, {
        actor: "system",
        action: "certificate_authority.created",
        subject: "agents",
        details: { id },
      });
      this.logger.log("made the certificate authority of the agents", { id });
      return authorities.trusted(retiredAfter);
    });
    const current = rows.find(({ state }) => state === "current");
    if (!current) throw new Error("there is no certificate authority for agents");
    return { current: await this.unseal(current), trusted: rows.map(({ certificatePem }) => certificatePem) };
  }

  private async make(
    authorities: CertificateAuthorityRepository,
    state: "current" | "next",
    now: Date,
  ): Promise<string> {
    const id = randomUUIDv7();
    const notAfter = new Date(now.getTime() + VALID_YEARS * 365 * DAY_MS);
    const { certificate, key } = await makeAuthority(`Drawbridge agents ${id.slice(-8)}`, now, notAfter);
    const sealedKey = this.keys.seal(KEY_PURPOSE, id, new Uint8Array(await exportKeyDer(key)));
    const certificatePem = `${certificate.toString("pem")}\n`;
    await authorities.insert({ id, certificatePem, sealedKey, state, createdAt: now, notAfter });
    return id;
  }

  private async unseal({
    id,
    certificatePem,
    sealedKey,
  }: CertificateAuthorityRow): Promise<SigningAuthority> {
    try {
      const key = await importKeyDer(this.keys.open(KEY_PURPOSE, id, sealedKey));
      return { certificate: new X509Certificate(certificatePem), key };
    } catch (error) {
      throw new Error(
        "the key of the agents' certificate authority cannot be opened; DRAWBRIDGE_KEK_FILE must hold the key it was sealed with",
        { cause: error },
      );
    }
  }
}
