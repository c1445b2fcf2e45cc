import { Buffer } from "node:buffer";
import { FoundMembers } from "./found-members.js";
import { GrowingBuffer } from "./growing-buffer.js";
import type { JsonRpcId } from "./json-rpc-id.js";
import { JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.js";
import { JsonStream } from "./json-stream.js";
import { KeyHashes } from "./key-hashes.js";
import { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";
import type { Caching } from "./restrict-caching.js";
import { depthLimit, type ParseLimits, readMessage, withId } from "./parse-message.js";
import { RESERVED_META } from "./reserved-meta.js";
import type { StreamedKey } from "./streamed-key.js";
import { fold, WANTED_OF_LARGE, type Wanted } from "./wanted-members.js";

/** Of the objects that are open at one time: 16 bytes are kept for each. */
const MAX_KEYS = 1_000_000;
/** A member that is looked at and has more bytes than this is too long, however it is escaped. */
const MAX_KEPT_BYTES = 65_536;
const QUOTE = 0x22;
/** Stand for what is too long to be kept: too long for whoever reads them. */
const LONG_STRING = Buffer.from(`"${"x".repeat(16_384)}"`);
const LONG_NUMBER = Buffer.from("1".repeat(2048));

/** What a large message turned out to be. */
export type LargeMessage =
  | {
      readonly kind: "response";
      /** As in McpResponse. */
      readonly id: JsonRpcId | undefined;
      readonly isError: boolean;
      /** The target wants something of the client before it goes on, see inputRequestsOf. */
      readonly hasInputRequests?: true;
      /** `_meta` of its result has members that only Drawbridge may say. */
      readonly hasReservedMeta?: true;
      /** As taskIdOf says. */
      readonly taskId?: string;
      /** What the result says of caching it, if anything. */
      readonly caching?: Caching;
    }
  | { readonly kind: "request" | "notification" };

interface OpenContainer {
  readonly first: number;
  /** Which member its value is; undefined when that is not looked at. */
  readonly member: Wanted | undefined;
  /** What is looked at inside of it. */
  readonly wanted: Wanted | undefined;
  /** Of an object that has any yet. */
  keys: KeyHashes | undefined;
}

/**
 * Reads one message that is too large to be kept whole, in chunks that may be cut anywhere, and refuses whatever
 * parseMessage refuses (with another of the reasons where several apply), and objects with more keys than can be told
 * apart in bounded memory: a million. Throws MalformedMessageError, as early as that is certain; then it is over.
 */
export class LargeMessageScanner {
  readonly #stream: JsonStream;
  /** What is looked at, one after the other, and where it is in there. */
  readonly #kept = new GrowingBuffer();
  readonly #ranges = new Map<string, readonly [number, number]>();
  readonly #open: OpenContainer[] = [];
  /** Which member the next value, then the string, number or literal under way is. */
  #member: Wanted | undefined;
  #first = 0;
  #text = new GrowingBuffer();
  #isTooLong = false;
  #keyCount = 0;
  #hasBegun = false;
  #hasReservedMeta = false;
  #refusal: { readonly reason: MalformedReason; readonly message: string } | undefined;

  constructor(limits: ParseLimits = {}) {
    this.#stream = new JsonStream(
      {
        key: (key) => this.#readKey(key),
        beginValue: (first) => this.#beginValue(first),
        text: (bytes) => this.#keepText(bytes),
        endText: () => this.#endText(),
        endContainer: () => this.#endContainer(),
        refuse: (reason, message) => this.#refuse(reason, message),
      },
      depthLimit(limits),
    );
  }

  push(chunk: Uint8Array): void {
    this.#answeringToId(() => this.#stream.push(chunk));
  }

  end(): LargeMessage {
    return this.#answeringToId(() => {
      this.#stream.end();
      if (this.#refusal !== undefined) {
        throw new MalformedMessageError(this.#refusal.reason, this.#refusal.message);
      }
      const message = readMessage(this.#kept.peek(), this.#found());
      if (message.kind !== "response") return { kind: message.kind };
      const { id, isError } = message;
      return { kind: "response", id, isError, ...this.#ofResult() };
    });
  }

  #ofResult(): Pick<
    Extract<LargeMessage, { kind: "response" }>,
    "hasInputRequests" | "hasReservedMeta" | "taskId" | "caching"
  > {
    const [scope, ttlMs] = [this.#textOf("result cacheScope"), this.#textOf("result ttlMs")];
    const taskId =
      this.#stringOf("result task taskId") ??
      (this.#stringOf("result resultType") === "task" ? this.#stringOf("result taskId") : undefined);
    return {
      ...(this.#ranges.has("result inputRequests") ? { hasInputRequests: true } : {}),
      ...(this.#hasReservedMeta ? { hasReservedMeta: true } : {}),
      ...(taskId === undefined ? {} : { taskId }),
      ...(scope === undefined && ttlMs === undefined ? {} : { caching: { scope, ttlMs } }),
    };
  }

  #textOf(path: string): string | undefined {
    const range = this.#ranges.get(path);
    return range && Buffer.from(this.#kept.peek().subarray(...range)).toString("utf8");
  }

  #stringOf(path: string): string | undefined {
    const text = this.#textOf(path);
    return text?.startsWith('"') === true ? (JSON.parse(text) as string) : undefined;
  }

  #answeringToId<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw withId(error, this.#found());
    }
  }

  #found(): FoundMembers {
    const found = new FoundMembers(new JsonScanner(this.#kept.peek(), 1));
    for (const [path, range] of this.#ranges) found.ranges.set(path, range);
    return found;
  }

  #refuse(reason: MalformedReason, message: string): void {
    this.#refusal ??= { reason, message };
  }

  #readKey(key: StreamedKey): void {
    const object = this.#open.at(-1);
    if (object === undefined) return;
    object.keys ??= new KeyHashes();
    if (!object.keys.add(key.hash)) {
      this.#refuse("duplicate_key", "duplicate key: send each key of an object once");
    } else if (++this.#keyCount > MAX_KEYS) {
      throw new MalformedMessageError("too_many_keys", `too many keys: the limit is ${MAX_KEYS}`);
    }
    this.#member = object.wanted && this.#wantedMember(object.wanted, key.text);
    if (object.wanted?.path === "result _meta") this.#hasReservedMeta ||= isReserved(key);
  }

  #wantedMember(object: Wanted, key: string | undefined): Wanted | undefined {
    if (key === undefined) return undefined;
    const member = object.members.get(key);
    if (member === undefined && object.folded.has(fold(key))) {
      this.#refuse("case_variant_key", "key in the wrong case: use the exact name");
    }
    return member;
  }

  #beginValue(first: number): boolean {
    if (!this.#hasBegun) checkRoot(first);
    const member = this.#member;
    this.#first = first;
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return member !== undefined;
    const inside = this.#hasBegun ? member : WANTED_OF_LARGE;
    this.#open.push({
      first,
      member,
      wanted: first === OPEN_BRACE && inside !== undefined && inside.members.size > 0 ? inside : undefined,
      keys: undefined,
    });
    this.#member = undefined;
    this.#hasBegun = true;
    return false;
  }

  #endContainer(): void {
    const container = this.#open.pop();
    if (container === undefined) return;
    this.#keyCount -= container.keys?.count ?? 0;
    if (container.member !== undefined) this.#remember(container.member, Buffer.of(container.first));
  }

  #endText(): void {
    const member = this.#member;
    this.#member = undefined;
    if (member === undefined) return;
    const text = this.#text.take();
    const long = this.#first === QUOTE ? LONG_STRING : LONG_NUMBER;
    this.#remember(member, this.#isTooLong ? long : text);
    this.#isTooLong = false;
  }

  /** As in scanMessage: which of two counts is not guessed. */
  #remember({ path }: Wanted, text: Uint8Array): void {
    const start = this.#kept.length;
    if (this.#ranges.has(path)) {
      this.#ranges.set(path, [start, start]);
      return;
    }
    this.#kept.append(text);
    this.#ranges.set(path, [start, start + text.length]);
  }

  #keepText(bytes: Uint8Array): void {
    if (this.#text.length + bytes.length <= MAX_KEPT_BYTES) this.#text.append(bytes);
    else this.#isTooLong = true;
  }
}

/** What is longer than any key that is looked for is none that we say. */
function isReserved({ text }: StreamedKey): boolean {
  return text?.startsWith(RESERVED_META) === true;
}

function checkRoot(first: number): void {
  if (first === OPEN_BRACKET) {
    throw new MalformedMessageError("batch", "batches are not supported: send each message on its own");
  }
  if (first !== OPEN_BRACE) {
    throw new MalformedMessageError("not_an_object", "not an object: send one JSON-RPC 2.0 object");
  }
}
