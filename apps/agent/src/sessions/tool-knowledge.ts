import { type JsonView, nameSkeleton } from "@drawbridge/mcp";
import { FIRST_PAGE, type PageKey, pageKey, type SeenTool } from "./tool-page.js";

/** A list of more tools, pages or bytes (of all pages together, as they come) is given up: nobody is sure of any of it. */
export const MAX_TOOLS = 2_000;
export const MAX_PAGES = 100;
export const MAX_LIST_BYTES = 8 * 1024 * 1024;
/** Lists that clients read at the same time, page by page. */
const MAX_GATHERINGS = 4;

/** Nobody can use a tool whose name is longer. */
const LONGEST_COMPARED = 256;

/** When a list was asked for. */
export interface ListingStart {
  readonly at: number;
  readonly changes: number;
}

/** All tools that one listing showed. */
export class ToolList {
  /** Undefined for a name that it showed twice: nobody can tell which of the two a call would reach. */
  readonly #tools = new Map<string, SeenTool | undefined>();
  /** Of the names; made when it is needed. */
  #skeletons: ReadonlySet<string> | undefined;

  get size(): number {
    return this.#tools.size;
  }

  add({ name, digest, headers }: SeenTool): void {
    this.#skeletons = undefined;
    this.#tools.set(
      name,
      this.#tools.has(name) ? undefined : { name, digest: Uint8Array.from(digest), headers },
    );
  }

  /** In words why a call of a tool with this accepted digest is not for the tool shown, or undefined. */
  disagreement(name: string, accepted: Uint8Array): string | undefined {
    if (!this.#tools.has(name)) {
      if (accepted.length > 0) return "the target no longer shows it";
      return this.#hasAlike(name) ? "the target shows a tool of much the same name" : undefined;
    }
    const shown = this.#tools.get(name);
    if (!shown) return "the target shows two tools of this name";
    if (accepted.length === 0) return "the target shows a tool of this name that is not known yet";
    return isSame(shown.digest, accepted) ? undefined : "the target shows another definition of it";
  }

  /** A target that does not mind case or writing would take the one for the other, which may be quarantined. */
  #hasAlike(name: string): boolean {
    if (name.length > LONGEST_COMPARED) return false;
    const names = [...this.#tools.keys()].filter(({ length }) => length <= LONGEST_COMPARED);
    this.#skeletons ??= new Set(names.map(nameSkeleton));
    return this.#skeletons.has(nameSkeleton(name));
  }

  headersOf(name: string): JsonView | undefined {
    return this.#tools.get(name)?.headers;
  }
}

interface Gathering {
  readonly start: ListingStart;
  readonly tools: ToolList;
  pages: number;
  bytes: number;
  next: PageKey;
}

/** One answer to a client that reads a list. */
export interface SeenPage {
  readonly asked: PageKey;
  /** Undefined: it is the last one. */
  readonly next: string | undefined;
  readonly tools: readonly SeenTool[];
  /** As it came. */
  readonly bytes: number;
}

export interface ToolKnowledgeOptions {
  /** How long a listing counts, in milliseconds: for ever where the target says when its tools change. */
  readonly keptMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What a session knows of the tools that its target shows now: nothing, or all. */
export class ToolKnowledge {
  readonly #options: ToolKnowledgeOptions;
  #known: { readonly tools: ToolList; readonly start: ListingStart } | undefined;
  #changes = 0;
  /** Lists that clients have not read to their end. */
  #gatherings: Gathering[] = [];

  constructor(options: ToolKnowledgeOptions) {
    this.#options = options;
  }

  /** Undefined when it is not known, or not any more. */
  get current(): ToolList | undefined {
    if (!this.#known) return undefined;
    const age = this.#options.now() - this.#known.start.at;
    return age < this.#options.keptMs ? this.#known.tools : undefined;
  }

  /** A list is asked for now. */
  begin(): ListingStart {
    return { at: this.#options.now(), changes: this.#changes };
  }

  /** The target's tools are others from now on, or may be. What was asked for before counts no more. */
  forget(): void {
    this.#changes += 1;
    this.#known = undefined;
    this.#gatherings = [];
  }

  /** False when the tools have changed while they were listed. */
  learn(tools: ToolList, start: ListingStart): boolean {
    if (start.changes !== this.#changes) return false;
    if (!this.#known || this.#known.start.at <= start.at) this.#known = { tools, start };
    return true;
  }

  /** One page of a list that a client reads: enough of them, in order, are all. */
  learnPage(page: SeenPage, start: ListingStart): void {
    if (start.changes !== this.#changes) return;
    const known = this.#known?.tools;
    if (page.tools.some(({ name, digest }) => known?.disagreement(name, digest) !== undefined))
      this.#known = undefined;
    const gathering = this.#gatheringOf(page.asked, start);
    if (!gathering) return;
    for (const tool of page.tools) gathering.tools.add(tool);
    gathering.pages += 1;
    gathering.bytes += page.bytes;
    if (page.next === undefined) this.learn(gathering.tools, gathering.start);
    else this.#keep(gathering, page.next);
  }

  #gatheringOf(asked: PageKey, start: ListingStart): Gathering | undefined {
    if (asked === FIRST_PAGE) return { start, tools: new ToolList(), pages: 0, bytes: 0, next: FIRST_PAGE };
    const found = this.#gatherings.find(({ next }) => next === asked);
    this.#gatherings = this.#gatherings.filter((gathering) => gathering !== found);
    return found;
  }

  #keep(gathering: Gathering, next: string): void {
    const { pages, tools, bytes } = gathering;
    if (pages >= MAX_PAGES || tools.size >= MAX_TOOLS || bytes >= MAX_LIST_BYTES) return;
    gathering.next = pageKey(next);
    this.#gatherings = [...this.#gatherings, gathering].slice(-MAX_GATHERINGS);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
