import { KEY_END } from "../json-scanner.js";
import type { Kind } from "../profile.js";
import { PERSONAL } from "../scan.js";
import type { Replacement, Sink } from "./sink.js";

/** The inside of a JSON string too long to be looked at whole. `value` is `raw` without its escapes. */
export interface RawString {
  push(raw: string, value: string): void;
  end(): { readonly leavesKeyOpen: boolean };
}

/** Takes the value of such a string and emits what is to become of it. */
export interface ValueStream {
  push(value: string): void;
  end(): { readonly leavesKeyOpen: boolean };
}

const KEY_BEGIN = "-----BEGIN ";
const UNICODE_ESCAPE = 6;
const SHORT_ESCAPE = 2;

/** Gives the value to a stream, and does to the raw text what that does to the value. */
export class ScannedString implements RawString, Sink {
  readonly #sink: Sink;
  readonly #isAddress: boolean;
  readonly #value: ValueStream;
  readonly #pieces: { readonly raw: string; readonly hasEscapes: boolean }[] = [];
  /** Where in the first piece the value goes on. */
  #at = 0;

  constructor(sink: Sink, isAddress: boolean, open: (sink: Sink) => ValueStream) {
    this.#sink = sink;
    this.#isAddress = isAddress;
    this.#value = open(this);
  }

  push(raw: string, value: string): void {
    this.#pieces.push({ raw, hasEscapes: raw.length !== value.length });
    this.#value.push(value);
  }

  end(): { readonly leavesKeyOpen: boolean } {
    return this.#value.end();
  }

  keep(text: string): void {
    this.#take(text.length, (raw) => this.#sink.keep(raw));
  }

  replace(text: string, by: Replacement | undefined): void {
    if (by && this.#isAddress && PERSONAL.has(by.kind)) {
      this.keep(text);
      return;
    }
    let first = by;
    this.#take(text.length, (raw) => {
      this.#sink.replace(raw, first);
      first = undefined;
    });
  }

  /** Takes the raw text of so many units of the value. */
  #take(count: number, use: (raw: string) => void): void {
    let left = count;
    while (left > 0) {
      const piece = this.#pieces[0];
      if (!piece) throw new Error("more was emitted than was read");
      const { raw, hasEscapes } = piece;
      const start = this.#at;
      if (hasEscapes) {
        let end = start;
        for (; left > 0 && end < raw.length; left--) end += unitLength(raw, end);
        this.#at = end;
      } else {
        this.#at = Math.min(raw.length, start + left);
        left -= this.#at - start;
      }
      use(raw.slice(start, this.#at));
      if (this.#at < raw.length) continue;
      this.#pieces.shift();
      this.#at = 0;
    }
  }
}

function unitLength(raw: string, at: number): number {
  if (raw[at] !== "\\") return 1;
  return raw[at + 1] === "u" ? UNICODE_ESCAPE : SHORT_ESCAPE;
}

/** A string that stays as it is. */
export class OpaqueString implements RawString {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  push(raw: string): void {
    this.#sink.keep(raw);
  }

  end(): { readonly leavesKeyOpen: boolean } {
    return { leavesKeyOpen: false };
  }
}

/** A string whose place says that all of it is secret. It may begin a private key, or end one that is open. */
export class SecretString implements RawString {
  readonly #sink: Sink;
  #by: Replacement | undefined;
  #isKeyOpen: boolean;
  #last = "";

  constructor(sink: Sink, kind: Kind, isKeyOpen: boolean) {
    this.#sink = sink;
    this.#by = { kind };
    this.#isKeyOpen = isKeyOpen;
  }

  push(raw: string, value: string): void {
    this.#sink.replace(raw, this.#by);
    this.#by = undefined;
    const known = this.#last + value;
    const begin = known.lastIndexOf(KEY_BEGIN);
    const end = known.lastIndexOf(KEY_END);
    if (begin !== end) this.#isKeyOpen = begin > end;
    this.#last = known.slice(-KEY_BEGIN.length);
  }

  end(): { readonly leavesKeyOpen: boolean } {
    return { leavesKeyOpen: this.#isKeyOpen };
  }
}
