import { setImmediate as nextTurn } from "node:timers/promises";
import {
  filterListResult,
  listEntries,
  type JsonView,
  type McpResponse,
  NotAListResultError,
} from "@drawbridge/mcp";
import { declarationsIn } from "./header-declarations.js";
import { jsonMember } from "./json-member.js";

const KEPT_MS = 60_000;
const MAX_PAGES = 100;
/** All pages together. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Read before other sessions have their turn; one tool is read at once. */
const TURN_BYTES = 128 * 1024;
/** A tool that names no header, escaped or not, need not be read. */
const MAY_NAME_A_HEADER = /x-mcp-header|\\u/i;

export interface ToolSchemasOptions {
  /** Asks the server for one page of its tools. Rejects when there is no answer. */
  readonly ask: (cursor: string | undefined) => Promise<McpResponse>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

type Schemas = ReadonlyMap<string, JsonView>;

/**
 * The input schemas of a server's tools, of which is kept what says which arguments go into headers (2026-07-28): a session
 * has these for as long as it lasts.
 */
export class ToolSchemas {
  readonly #options: ToolSchemasOptions;
  #known: { readonly schemas: Promise<Schemas>; readonly until: number } | undefined;

  constructor(options: ToolSchemasOptions) {
    this.#options = options;
  }

  /** Undefined for a tool that wants no headers, or that the server does not list. Rejects when the list cannot be had. */
  async schemaOf(tool: string): Promise<JsonView | undefined> {
    if (!this.#known || this.#known.until <= this.#options.now()) this.#load();
    return (await this.#known?.schemas)?.get(tool);
  }

  /** The server's tools have changed. */
  forget(): void {
    this.#known = undefined;
  }

  #load(): void {
    const known = { schemas: this.#readPages(), until: this.#options.now() + KEPT_MS };
    this.#known = known;
    known.schemas.catch(() => {
      if (this.#known === known) this.#known = undefined;
    });
  }

  async #readPages(): Promise<Schemas> {
    const schemas = new Map<string, JsonView>();
    let cursor: string | undefined;
    let bytes = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const response = await this.#options.ask(cursor);
      bytes += response.bytes.length;
      if (bytes > MAX_BYTES) throw new Error("its list of tools is too long");
      cursor = await readPage(response, schemas);
      if (cursor === undefined) return schemas;
    }
    throw new Error("its list of tools is too long");
  }
}

/** Returns the cursor of the next page, if there is one. */
async function readPage(response: McpResponse, schemas: Map<string, JsonView>): Promise<string | undefined> {
  let left = TURN_BYTES;
  for (const tool of toolsIn(response)) {
    keepDeclarations(tool, schemas);
    left -= tool.bytes.length;
    if (left > 0) continue;
    left = TURN_BYTES;
    await nextTurn();
  }
  const withoutTools = filterListResult(response, "tools", () => false);
  const cursor = jsonMember(jsonMember(parse(withoutTools), "result"), "nextCursor");
  return typeof cursor === "string" ? cursor : undefined;
}

interface ListedTool {
  readonly name: string | undefined;
  readonly bytes: Uint8Array;
}

function toolsIn(response: McpResponse): readonly ListedTool[] {
  try {
    return listEntries(response, "tools").map(({ name, range }) => ({
      name,
      bytes: response.bytes.subarray(...range),
    }));
  } catch (error) {
    if (error instanceof NotAListResultError) throw new Error("it does not list its tools");
    throw error;
  }
}

function keepDeclarations({ name, bytes }: ListedTool, schemas: Map<string, JsonView>): void {
  if (name === undefined) return;
  // Of tools with one name the last one counts, whatever it declares.
  schemas.delete(name);
  if (!MAY_NAME_A_HEADER.test(textOf(bytes))) return;
  const declarations = declarationsIn(jsonMember(parse(bytes), "inputSchema"));
  if (declarations !== undefined) schemas.set(name, declarations);
}

/** Numbers are of no interest here: nothing declares with one. */
function parse(bytes: Uint8Array): JsonView {
  return JSON.parse(textOf(bytes)) as JsonView;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
