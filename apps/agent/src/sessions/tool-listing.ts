import { errorCodeOf, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { ExchangeFailure } from "@drawbridge/protocol";
import type { OwnAnswer } from "./own-request.js";
import { MAX_LIST_BYTES, MAX_PAGES, MAX_TOOLS, ToolList } from "./tool-knowledge.js";
import { nextCursorOf, pageKey, type ShownTool, toolsOfPage } from "./tool-page.js";
import { describeFault, TOO_LONG, ToolPageReading } from "./tool-page-reading.js";

export type ListingOutcome =
  | { readonly tools: ToolList; readonly shown: readonly ShownTool[] }
  /** `reason` quotes nothing the target said. */
  | { readonly reason: string; readonly failure?: ExchangeFailure | undefined };

export interface ToolListingOptions {
  /** Asks the target for one page of its tools. */
  readonly ask: (params: Readonly<Record<string, unknown>>, answer: OwnAnswer) => void;
  /** Throws for what cannot be masked. */
  readonly mask: (payload: Uint8Array) => Uint8Array;
  readonly wantsHeaders: boolean;
  /** Called once, unless it is stopped before. */
  readonly onDone: (outcome: ListingOutcome) => void;
}

/** Reads the list of a target's tools, all its pages. Whoever runs it bounds the time. */
export class ToolListing {
  readonly #options: ToolListingOptions;
  readonly #tools = new ToolList();
  readonly #shown: ShownTool[] = [];
  readonly #asked = new Set<string>();
  #reading: ToolPageReading | undefined;
  /** What it was asked for last. */
  #cursor: string | undefined;
  #lastPage: Page | undefined;
  #bytes = 0;
  #isOver = false;

  constructor(options: ToolListingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ask({});
  }

  /** Nobody waits for it any more. */
  stop(): void {
    this.#isOver = true;
    this.#reading?.stop();
  }

  #ask(params: Readonly<Record<string, unknown>>): void {
    this.#options.ask(params, {
      onResponse: (response) => this.#guard(() => this.#receive(response)),
      onFailure: (reason, failure) => this.#finish({ reason, failure }),
    });
  }

  #receive(response: McpResponse): void {
    if (response.isError) {
      this.#receiveError(response);
      return;
    }
    this.#bytes += response.bytes.length;
    if (this.#bytes > MAX_LIST_BYTES) throw TOO_LONG;
    const next = nextCursorOf(response);
    const { mask, wantsHeaders } = this.#options;
    const tools = toolsOfPage(response, { masked: mask(response.bytes), wantsHeaders });
    this.#reading = new ToolPageReading({
      tools,
      bytes: response.bytes.length,
      onRead: (read) => this.#guard(() => this.#took({ tools: read, next })),
      onFailed: (error) => this.#finish({ reason: describeFault(error) }),
    });
    this.#reading.start();
  }

  /** Who knows no such method has no tools. */
  #receiveError(response: McpResponse): void {
    const code = errorCodeOf(response);
    // Before 2026-07-28 some servers write an empty cursor for none, and do not know it then.
    if (code === RpcErrorCode.MethodNotFound || this.#cursor === "") this.#finishWithAll();
    else this.#finish({ reason: `it answered with the error ${code ?? "unknown"}` });
  }

  #took(page: Page): void {
    // Some servers give a cursor with their last page as well, and the same page again for that.
    if (isSamePage(page, this.#lastPage)) {
      this.#finishWithAll();
      return;
    }
    if (this.#shown.length + page.tools.length > MAX_TOOLS) throw TOO_LONG;
    this.#lastPage = page;
    for (const tool of page.tools) this.#tools.add(tool);
    this.#shown.push(...page.tools);
    this.#goOn(page.next);
  }

  #goOn(next: string | undefined): void {
    if (next === undefined) {
      this.#finishWithAll();
      return;
    }
    const key = pageKey(next);
    if (this.#asked.has(key) || this.#asked.size + 1 >= MAX_PAGES) throw TOO_LONG;
    this.#asked.add(key);
    this.#cursor = next;
    this.#ask({ cursor: next });
  }

  #guard(work: () => void): void {
    if (this.#isOver) return;
    try {
      work();
    } catch (error) {
      this.#finish({ reason: describeFault(error) });
    }
  }

  #finishWithAll(): void {
    this.#finish({ tools: this.#tools, shown: this.#shown });
  }

  #finish(outcome: ListingOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onDone(outcome);
  }
}

interface Page {
  readonly tools: readonly ShownTool[];
  readonly next: string | undefined;
}

function isSamePage(page: Page, last: Page | undefined): boolean {
  if (!last || page.next !== last.next || page.tools.length !== last.tools.length) return false;
  const isSame = ({ name, digest }: ShownTool, index: number) => {
    const other = last.tools[index];
    return other?.name === name && Buffer.compare(other.digest, digest) === 0;
  };
  return page.tools.length > 0 && page.tools.every(isSame);
}
