import type { JsonRpcId } from "@drawbridge/mcp";

/** As libs/mcp bounds an id; a longer one is none, and whoever reads the message refuses it. */
const MAX_ID_BYTES = 1024;
/** The longest key of interest with every letter escaped is shorter. */
const MAX_KEY_BYTES = 256;
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
/** The objects on the way to the subscription, from the outermost one down. */
const WAY = ["result", "_meta"] as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/** Which member it is: `id` of the outermost object, or the subscription in `_meta` of its `result`. */
export type IdPlace = "id" | "subscriptionId";

/**
 * Replaces the ids of a response that is too large to keep, wherever they stand. All else passes byte for byte. It only
 * looks for the places; that there is one message with each once is for its reader to check.
 */
export class LargeIdRewriter {
  readonly #replace: (id: JsonRpcId, place: IdPlace) => JsonRpcId | undefined;
  #depth = 0;
  /** How much of the way the present objects have gone. */
  #inside = 0;
  #string: "none" | "key" | "other" = "none";
  #escaped = false;
  #expectsKey = false;
  #key: number[] = [];
  #awaits: "nothing" | "colon" | "value" = "nothing";
  /** What the key was that was read last. */
  #found: IdPlace | "way" = "id";
  /** The id while it is incomplete. */
  #id: number[] | undefined;
  #idIsClosed = false;
  #gaveUp = false;

  /** `replace`: what to write instead of the id that was found; undefined leaves it. */
  constructor(replace: (id: JsonRpcId, place: IdPlace) => JsonRpcId | undefined) {
    this.#replace = replace;
  }

  /** What of the message can go on. An id that is not complete yet is kept back. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#gaveUp) return [chunk];
    const pieces: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (this.#id === undefined && this.#string === "other") at = this.#skipString(chunk, at);
      const byte = chunk[at];
      if (byte === undefined) break;
      if (this.#id !== undefined && this.#continuesId(byte)) {
        this.#id.push(byte);
        start = at + 1;
        continue;
      }
      if (this.#id !== undefined) pieces.push(this.#takeId());
      if (this.#beginsId(byte)) {
        pieces.push(chunk.subarray(start, at));
        start = at + 1;
      }
    }
    pieces.push(chunk.subarray(start));
    return pieces.filter((piece) => piece.length > 0);
  }

  /** Most of a large message is text within which nothing counts. */
  #skipString(chunk: Uint8Array, from: number): number {
    if (this.#escaped) return from;
    let at = from;
    while (at < chunk.length && chunk[at] !== QUOTE && chunk[at] !== BACKSLASH) at++;
    return at;
  }

  // ── finding the id ─────────────────────────────────────────────────────────────────────────────────────────────

  #beginsId(byte: number): boolean {
    if (this.#string !== "none") {
      this.#readString(byte);
      return false;
    }
    if (this.#awaits === "value" && byte > SPACE) {
      this.#awaits = "nothing";
      if (this.#found === "way") {
        if (byte === OPEN_BRACE) this.#inside += 1;
      } else if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) {
        this.#id = [byte];
        this.#idIsClosed = false;
        return true;
      }
    }
    this.#readStructure(byte);
    return false;
  }

  /** In an object whose keys are of interest. */
  get #isOnTheWay(): boolean {
    return this.#depth === this.#inside + 1;
  }

  #readStructure(byte: number): void {
    switch (byte) {
      case QUOTE:
        this.#string = this.#expectsKey ? "key" : "other";
        this.#key = [];
        return;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#depth += 1;
        this.#expectsKey = this.#isOnTheWay;
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#depth -= 1;
        this.#inside = Math.max(0, Math.min(this.#inside, this.#depth - 1));
        this.#expectsKey = false;
        return;
      case COMMA:
        this.#expectsKey = this.#isOnTheWay;
        return;
      case COLON:
        if (this.#awaits === "colon") this.#awaits = "value";
        return;
      default:
    }
  }

  #readString(byte: number): void {
    const isEnd = byte === QUOTE && !this.#escaped;
    this.#escaped = byte === BACKSLASH && !this.#escaped;
    if (isEnd) this.#endString();
    else if (this.#string === "key" && this.#key.length <= MAX_KEY_BYTES) this.#key.push(byte);
  }

  #endString(): void {
    if (this.#string === "key") {
      const found = this.#placeOf(textOf(this.#key));
      this.#awaits = found === undefined ? "nothing" : "colon";
      this.#found = found ?? "id";
      this.#expectsKey = false;
    }
    this.#string = "none";
  }

  #placeOf(key: string | undefined): IdPlace | "way" | undefined {
    if (this.#inside === 0 && key === "id") return "id";
    if (this.#inside === WAY.length) return key === SUBSCRIPTION ? "subscriptionId" : undefined;
    return key === WAY[this.#inside] ? "way" : undefined;
  }

  // ── the id itself ──────────────────────────────────────────────────────────────────────────────────────────────

  #continuesId(byte: number): boolean {
    const id = this.#id ?? [];
    if (this.#idIsClosed || id.length >= MAX_ID_BYTES) return false;
    if (id[0] !== QUOTE) return byte > SPACE && byte !== COMMA && byte !== CLOSE_BRACE;
    this.#idIsClosed = byte === QUOTE && !this.#escaped;
    this.#escaped = byte === BACKSLASH && !this.#escaped;
    return true;
  }

  #takeId(): Uint8Array {
    const text = Buffer.from(this.#id ?? []).toString("utf8");
    const isWhole = text.length < MAX_ID_BYTES;
    this.#gaveUp = !isWhole;
    const place = this.#found === "subscriptionId" ? "subscriptionId" : "id";
    const bytes = Buffer.from((isWhole ? this.#replace({ text }, place)?.text : undefined) ?? text);
    this.#id = undefined;
    return bytes;
  }
}

function textOf(key: readonly number[]): string | undefined {
  try {
    return JSON.parse(`"${Buffer.from(key).toString("utf8")}"`) as string;
  } catch {
    return undefined;
  }
}
