import { MAX_NESTED_DOCUMENTS, type Scan } from "../scan.js";
import { UnmaskableError } from "../unmaskable.js";
import { JsonStream } from "./json-stream.js";
import type { ValueStream } from "./raw-strings.js";
import type { Sink } from "./sink.js";
import { TextStream } from "./text-stream.js";
import type { Windows } from "./windows.js";

export interface StreamContext {
  readonly scan: Scan;
  readonly windows: Windows;
}

/** A document; `nesting` says in how many strings of JSON it stands. */
export function openDocument(context: StreamContext, sink: Sink, nesting: number): JsonStream {
  return new JsonStream({
    sink,
    windows: context.windows,
    scan: context.scan.jsonOptions(nesting),
    openValue: (inner) => new LongValue(context, inner, nesting),
  });
}

/** The value of a string that is too long to be looked at whole: a JSON document of its own, or text. */
class LongValue implements ValueStream {
  readonly #context: StreamContext;
  readonly #sink: Sink;
  readonly #nesting: number;
  #document: JsonStream | undefined;
  #text: TextStream | undefined;

  constructor(context: StreamContext, sink: Sink, nesting: number) {
    this.#context = context;
    this.#sink = sink;
    this.#nesting = nesting;
  }

  push(value: string): void {
    if (!this.#document && !this.#text) this.#begin(value);
    else if (this.#text) this.#text.push(value);
    else if (this.#document?.push(value) === false) this.#goOnAsText(this.#document);
  }

  end(): { readonly leavesKeyOpen: boolean } {
    if (this.#document?.end() === true) {
      if (this.#nesting >= MAX_NESTED_DOCUMENTS) throw new UnmaskableError("too_deep");
      return { leavesKeyOpen: false };
    }
    if (this.#document) this.#goOnAsText(this.#document);
    return this.#text?.end() ?? { leavesKeyOpen: false };
  }

  /** White space says nothing yet. */
  #begin(value: string): void {
    const start = value.search(/[^ \t-\r]/);
    if (start !== 0) this.#sink.keep(start === -1 ? value : value.slice(0, start));
    if (start === -1) return;
    if (value[start] === "{" || value[start] === "[") {
      this.#document = openDocument(this.#context, this.#sink, this.#nesting + 1);
    } else {
      this.#text = new TextStream({ ...this.#context, sink: this.#sink });
    }
    this.push(value.slice(start));
  }

  #goOnAsText(document: JsonStream): void {
    const { context, text } = document.rest();
    this.#document = undefined;
    this.#text = new TextStream({ ...this.#context, sink: this.#sink, context });
    this.#text.push(text);
  }
}
