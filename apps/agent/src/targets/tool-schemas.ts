import { jsonView, type JsonView, type McpResponse } from "@drawbridge/mcp";
import { jsonMember } from "./json-member.js";

const KEPT_MS = 60_000;
const MAX_PAGES = 100;
const MAX_BYTES = 16 * 1024 * 1024;
/** A schema that names no header, escaped or not, need not be kept. */
const MAY_NAME_A_HEADER = /x-mcp-header|\\u/i;

export interface ToolSchemasOptions {
  /** Asks the server for one page of its tools. Rejects when there is no answer. */
  readonly ask: (cursor: string | undefined) => Promise<McpResponse>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

type Schemas = ReadonlyMap<string, JsonView>;

/** The input schemas of a server's tools, as far as they say which arguments go into headers (2026-07-28). */
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
      cursor = readPage(response, schemas);
      if (cursor === undefined) return schemas;
    }
    throw new Error("its list of tools is too long");
  }
}

/** Returns the cursor of the next page, if there is one. */
function readPage(response: McpResponse, schemas: Map<string, JsonView>): string | undefined {
  const range = response.ranges.result;
  if (response.isError || range === undefined) throw new Error("it does not list its tools");
  const text = Buffer.from(response.bytes.subarray(...range)).toString("utf8");
  const result = jsonView(text);
  const tools = jsonMember(result, "tools");
  if (!Array.isArray(tools)) throw new Error("it does not list its tools");
  if (MAY_NAME_A_HEADER.test(text)) for (const tool of tools as JsonView[]) keepSchema(tool, schemas);
  const cursor = jsonMember(result, "nextCursor");
  return typeof cursor === "string" ? cursor : undefined;
}

function keepSchema(tool: JsonView, schemas: Map<string, JsonView>): void {
  const name = jsonMember(tool, "name");
  const schema = jsonMember(tool, "inputSchema");
  if (typeof name === "string" && schema !== undefined) schemas.set(name, schema);
}
