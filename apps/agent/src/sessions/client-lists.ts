import type { McpRequest, McpResponse } from "@drawbridge/mcp";
import type { SessionRequest_ToolDefinitions as ToolDefinitions } from "@drawbridge/protocol";
import type { Brake } from "./brake.js";
import type { RequestHead } from "./exchanges.js";
import { toolFrames } from "./tool-definition-frames.js";
import type { ListingStart, ToolKnowledge } from "./tool-knowledge.js";
import {
  FIRST_PAGE,
  nextCursorOf,
  type PageKey,
  pageAskedFor,
  type ShownTool,
  toolsOfPage,
} from "./tool-page.js";
import { describeFault, ToolPageReading } from "./tool-page-reading.js";

export interface ClientListsOptions {
  readonly knowledge: ToolKnowledge;
  readonly wantsHeaders: boolean;
  readonly maxFrameBytes: () => number;
  readonly brake: Brake;
}

/** What the control plane has to be told before a client is shown the list; or why nobody may see it. */
export type ReadList = { readonly shown: readonly ToolDefinitions[] } | { readonly fault: string };

export interface ListAnswer {
  readonly response: McpResponse;
  /** The same, masked. */
  readonly masked: Uint8Array;
}

interface Asked {
  readonly page: PageKey;
  readonly start: ListingStart;
}

/**
 * The lists of tools that clients ask for. Each is read before it is shown: a client sees nothing that the control plane
 * was not told. While a long one is read its target is stopped.
 */
export class ClientLists {
  readonly #options: ClientListsOptions;
  /** Of the requests that are open. */
  readonly #asked = new WeakMap<RequestHead, Asked>();
  readonly #readings = new Set<ToolPageReading>();

  constructor(options: ClientListsOptions) {
    this.#options = options;
  }

  /** It goes out now. */
  sent(request: McpRequest, head: RequestHead): void {
    this.#asked.set(head, { page: pageAskedFor(request), start: this.#options.knowledge.begin() });
  }

  /** False for what is not the answer to a request for tools. Otherwise `onRead` is called once, now or later. */
  read(head: RequestHead, { response, masked }: ListAnswer, onRead: (list: ReadList) => void): boolean {
    const asked = this.#asked.get(head);
    if (!asked || response.isError) return false;
    const { wantsHeaders, brake } = this.#options;
    const done = (list: ReadList) => {
      this.#readings.delete(reading);
      onRead(list);
      brake.release(reading);
    };
    const reading = new ToolPageReading({
      tools: toolsOfPage(response, { masked, wantsHeaders }),
      bytes: response.bytes.length,
      onRead: (tools) => done(this.#learned(asked, response, tools)),
      onFailed: (error) => done({ fault: describeFault(error) }),
    });
    this.#readings.add(reading);
    reading.start();
    if (!reading.isOver) brake.hold(reading);
    return true;
  }

  /** Reads all that is still being read, now. */
  finish(): void {
    for (const reading of this.#readings) reading.finish();
  }

  #learned({ page, start }: Asked, response: McpResponse, tools: readonly ShownTool[]): ReadList {
    const { knowledge, maxFrameBytes } = this.#options;
    try {
      const next = nextCursorOf(response);
      knowledge.learnPage({ asked: page, next, tools, bytes: response.bytes.length }, start);
      const isWhole = page === FIRST_PAGE && next === undefined;
      return { shown: toolFrames(tools, { isWhole, maxBytes: maxFrameBytes() }) };
    } catch (error) {
      return { fault: describeFault(error) };
    }
  }
}
