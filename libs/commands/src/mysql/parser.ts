import { init, parse } from "@guanmingchiu/sqlparser-ts";

/** A node of the parser's syntax tree: what serde makes of Rust's types. */
export type Node = string | number | boolean | bigint | null | undefined | readonly Node[] | NodeFields;
export interface NodeFields {
  readonly [name: string]: Node;
}

let state: "absent" | "loaded" | "broken" = "absent";

/** Loads the parser's WebAssembly once; until then every text counts as not parsed. */
export async function loadMysqlParser(): Promise<void> {
  if (state === "absent") {
    await init();
    state = "loaded";
  }
}

export function isMysqlParserLoaded(): boolean {
  return state === "loaded";
}

/** The syntax tree of one statement, or undefined when the parser does not understand it. */
export function parseStatement(text: string): NodeFields | undefined {
  if (state !== "loaded") return undefined;
  let statements: Node;
  try {
    statements = parse(text, "mysql") as unknown as Node;
  } catch (error) {
    if (isTrap(error)) state = "broken";
    return undefined;
  }
  if (!Array.isArray(statements) || statements.length !== 1) return undefined;
  const [statement] = statements as readonly Node[];
  return isFields(statement) ? statement : undefined;
}

export function isFields(node: Node): node is NodeFields {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

/**
 * A parser that ran out of its stack is not to be trusted any more: its stack pointer stays where it was. The limits
 * on what it is given keep it from that; were they wrong, nothing would be parsed until the process starts again.
 */
function isTrap(error: unknown): boolean {
  return error instanceof Error && !/^sql parser error/i.test(error.message);
}
