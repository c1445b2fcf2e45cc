import type { JsonRpcId } from "@drawbridge/mcp";

/** As libs/mcp bounds an id; a longer one is none, and whoever reads the message refuses it. */
const MAX_ID_BYTES = 1024;
/** `"id"` with every letter escaped is shorter. */
const MAX_KEY_BYTES = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const SPACE = 0x20;

/**
 * Replaces the id of a message that is too large to keep: the member of the outermost object, wherever it stands. All
 * else passes byte for byte. It only looks for the place; that there is one message with one id is for its reader to check.
 */
export class LargeIdRewriter {
  readonly #replace: (id: JsonRpcId) => JsonRpcId | undefined;
  #depth = 0;
  #string: "none" | "key" | "other" = "none";
  #escaped = false;
  #expectsKey = false;
  #key: number[] = [];
  #awaits: "nothing" | "colon" | "value" = "nothing";
  /** The id while it is incomplete. */
  #id: number[] | undefined;
  #idIsClosed = false;
  #gaveUp = false;

  /** `replace`: what to write instead of the id that was found; undefined leaves it. */
  constructor(replace: (id: JsonRpcId) => JsonRpcId | undefined) {
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
      if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) {
        this.#id = [byte];
        this.#idIsClosed = false;
        return true;
      }
    }
    this.#readStructure(byte);
    return false;
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
        this.#expectsKey = this.#depth === 1;
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#depth -= 1;
        this.#expectsKey = false;
        return;
      case COMMA:
        this.#expectsKey = this.#depth === 1;
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
      this.#awaits = isId(this.#key) ? "colon" : "nothing";
      this.#expectsKey = false;
    }
    this.#string = "none";
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
    const bytes = Buffer.from((isWhole ? this.#replace({ text })?.text : undefined) ?? text);
    this.#id = undefined;
    return bytes;
  }
}

function isId(key: readonly number[]): boolean {
  try {
    return JSON.parse(`"${Buffer.from(key).toString("utf8")}"`) === "id";
  } catch {
    return false;
  }
}
