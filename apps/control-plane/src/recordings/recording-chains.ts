import { Injectable } from "@nestjs/common";
import {
  genesisHash,
  isEventKind,
  isFinal,
  keyEncryptionKey,
  type KeyEncryptionKey,
  type RecordingKey,
  sealEvent,
  type SealInput,
  unwrapKey,
} from "@drawbridge/recording";
import { KeyEncryption } from "../platform/key-encryption.js";
import {
  type NewEventRow,
  RecordingEventsRepository,
  type RecordingHead,
} from "./recording-events.repository.js";
import { type RecordEntry, withSealedDecision } from "./record-entry.js";
import { RecordingUnavailableError } from "./recording-unavailable-error.js";

/** What the next event of a recording is sealed with. */
interface Chain {
  readonly key: RecordingKey;
  nextIndex: number;
  hash: Uint8Array;
  ended: boolean;
}

/** The ends of the recordings that are being written, in memory; Postgres has the truth. */
@Injectable()
export class RecordingChains {
  private readonly kek: KeyEncryptionKey;
  // In the order of their last use.
  private readonly chains = new Map<string, Chain>();
  /** About 500 bytes each. One that was dropped costs a query when it is needed again. More than a batch has events. */
  capacity = 10_000;

  constructor(
    keys: KeyEncryption,
    private readonly events: RecordingEventsRepository,
  ) {
    this.kek = keyEncryptionKey(keys.derive("recording"));
  }

  get keyEncryptionKey(): KeyEncryptionKey {
    return this.kek;
  }

  /** Reads the ends that are not known. A recording without a usable end is in the answer, with the reason. */
  async load(recordingIds: Iterable<string>): Promise<Map<string, RecordingUnavailableError>> {
    const unusable = new Map<string, RecordingUnavailableError>();
    const unknown = [...new Set(recordingIds)].filter((id) => !this.touch(id));
    if (unknown.length === 0) return unusable;

    const heads = await this.events.heads(unknown);
    for (const id of unknown) {
      try {
        this.chains.set(id, this.toChain(id, heads.get(id)));
      } catch (error) {
        unusable.set(id, error as RecordingUnavailableError);
      }
    }
    this.dropOldest();
    return unusable;
  }

  /**
   * Seals the next event of its recording. The chain moves on as if the row were stored: when storing it fails, forget
   * the recording. @throws RecordingUnavailableError, and then the chain has not moved
   */
  seal(entry: RecordEntry): NewEventRow {
    const { recordingId, decision } = entry;
    const chain = this.chains.get(recordingId);
    if (!chain) throw new RecordingUnavailableError("database", "where the recording stands is not known");
    if (chain.ended) throw new RecordingUnavailableError("ended", "the recording has ended");
    const { key, nextIndex: index, hash: previousHash } = chain;
    const event = withSealedDecision(entry);
    const { sealed, hash } = sealOrRefuse({ key, recordingId, index, previousHash, event });
    chain.nextIndex = index + 1;
    chain.hash = hash;
    chain.ended = isFinal(event.kind);
    const { at, kind, exchange, method, name } = event;
    const { effect, rule } = decision ?? {};
    return { recordingId, index, at, kind, exchange, method, name, decision: effect, rule, sealed, hash };
  }

  /** What the events of a recording are opened with. @throws RecordingUnavailableError */
  async keyOf(recordingId: string): Promise<RecordingKey> {
    const known = this.chains.get(recordingId);
    if (known) return known.key;
    const heads = await this.events.heads([recordingId]);
    return this.unwrap(recordingId, heads.get(recordingId));
  }

  /** What is known about them may be wrong: it is read again before their next event. */
  forget(recordingIds: Iterable<string>): void {
    for (const id of recordingIds) this.chains.delete(id);
  }

  private toChain(recordingId: string, head: RecordingHead | undefined): Chain {
    const key = this.unwrap(recordingId, head);
    const last = head?.last;
    if (!last) return { key, nextIndex: 0, hash: genesisHash(recordingId), ended: false };
    const ended = isEventKind(last.kind) && isFinal(last.kind);
    return { key, nextIndex: last.index + 1, hash: last.hash, ended };
  }

  private unwrap(recordingId: string, head: RecordingHead | undefined): RecordingKey {
    if (!head) throw new RecordingUnavailableError("not_found", "there is no such recording");
    try {
      return unwrapKey(this.kek, head.wrappedKey, recordingId);
    } catch (cause) {
      throw new RecordingUnavailableError("damaged", "the recording's key cannot be used", { cause });
    }
  }

  private touch(recordingId: string): boolean {
    const chain = this.chains.get(recordingId);
    if (!chain) return false;
    this.chains.delete(recordingId);
    this.chains.set(recordingId, chain);
    return true;
  }

  private dropOldest(): void {
    for (const id of this.chains.keys()) {
      if (this.chains.size <= this.capacity) return;
      this.chains.delete(id);
    }
  }
}

function sealOrRefuse(input: SealInput) {
  try {
    return sealEvent(input);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "it breaks the format";
    throw new RecordingUnavailableError("not_recordable", `the event cannot be recorded: ${why}`, { cause });
  }
}
