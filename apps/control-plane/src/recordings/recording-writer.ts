import { Injectable } from "@nestjs/common";
import type { RecordedEvent } from "@drawbridge/recording";
import { Database, type Transaction } from "../platform/database.js";
import { KeyEncryption } from "../platform/key-encryption.js";
import { RecordingUnavailableError } from "./recording-unavailable-error.js";

export interface RecordEntry {
  readonly recordingId: string;
  readonly event: RecordedEvent;
  /** In clear, for lists; also bound into the sealed event's attributes. */
  readonly decision?: string | undefined;
  readonly rule?: string | undefined;
}

@Injectable()
export class RecordingWriter {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyEncryption,
  ) {}

  create(_transaction: Transaction, _recordingId: string): Promise<void> {
    return this.notYet();
  }

  append(_entry: RecordEntry): Promise<{ epoch: bigint }> {
    return this.notYet();
  }

  owe(_entry: RecordEntry): void {}

  close(_recordingId: string, _event: RecordedEvent): Promise<void> {
    return this.notYet();
  }

  private notYet(): Promise<never> {
    const { pool } = this.database;
    return Promise.reject(
      new RecordingUnavailableError("database", `cannot write yet (${pool.totalCount}, ${typeof this.keys})`),
    );
  }
}
