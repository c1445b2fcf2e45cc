import type { Transaction } from "../platform/database.js";

export interface CertificateAuthorityRow {
  readonly id: string;
  readonly certificatePem: string;
  readonly sealedKey: Uint8Array;
  readonly state: string;
  readonly createdAt: Date;
  readonly retiredAt: Date | null;
}

export interface NewCertificateAuthority {
  readonly id: string;
  readonly certificatePem: string;
  readonly sealedKey: Uint8Array;
  readonly state: "current" | "next";
  readonly createdAt: Date;
  readonly notAfter: Date;
}

// Any constant that nothing else in the database uses: "drawagca" in ASCII.
const LOCK = 7_238_275_021_546_800_993n;

export class CertificateAuthorityRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Until the transaction ends no other replica makes or moves an authority. */
  async lock(): Promise<void> {
    await this.transaction.$executeRaw`SELECT pg_advisory_xact_lock(${LOCK})`;
  }

  /** Current, next, and those that were retired after `retiredAfter`. */
  trusted(retiredAfter: Date): Promise<CertificateAuthorityRow[]> {
    return this.transaction.certificateAuthority.findMany({
      where: { OR: [{ state: { in: ["current", "next"] } }, { retiredAt: { gt: retiredAfter } }] },
      orderBy: { createdAt: "asc" },
    });
  }

  async insert(authority: NewCertificateAuthority): Promise<void> {
    const sealedKey = new Uint8Array(authority.sealedKey);
    await this.transaction.certificateAuthority.create({ data: { ...authority, sealedKey } });
  }

  async retireCurrent(at: Date): Promise<void> {
    await this.transaction.certificateAuthority.updateMany({
      where: { state: "current" },
      data: { state: "retired", retiredAt: at },
    });
  }

  async promoteNext(): Promise<void> {
    await this.transaction.certificateAuthority.updateMany({
      where: { state: "next" },
      data: { state: "current" },
    });
  }
}
