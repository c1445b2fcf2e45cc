import { createRequire } from "node:module";
import type * as libpgQuery from "libpg-query";
import { tooLargeToParse } from "./size.js";

type Library = typeof libpgQuery;

export type Parsed =
  | { readonly statements: readonly unknown[] }
  | { readonly statements: undefined; readonly reason: string };

const require = createRequire(import.meta.url);

let ready: Library | undefined;
let spare: Library | undefined;

/** Loads the parser twice: see `parse`. */
export async function loadPostgresqlParser(): Promise<void> {
  ready ??= await newInstance();
  spare ??= await newInstance();
}

/**
 * The raw parse trees of a text, as libpg-query gives them in JSON. A parser that stopped for any reason but an error
 * in the text (it runs in WebAssembly: the stack may end in the midst of a statement) is never used again: the spare
 * one takes its place, and another is made.
 */
export function parse(text: string): Parsed {
  const tooLarge = tooLargeToParse(text);
  if (tooLarge !== undefined) return { statements: undefined, reason: tooLarge };
  if (ready === undefined) return { statements: undefined, reason: "the parser is not loaded" };
  try {
    const { stmts } = ready.parseSync(text);
    if (stmts === undefined || stmts.length === 0) {
      return { statements: undefined, reason: "there is no statement in it" };
    }
    return { statements: stmts.map((raw) => raw.stmt) };
  } catch (error) {
    if (ready.hasSqlDetails(error)) return { statements: undefined, reason: reasonOf(error.message) };
    replaceReady();
    return { statements: undefined, reason: "the parser could not finish it" };
  }
}

/** The parser's own words quote the text: without the quote, which may be long, or a secret. */
function reasonOf(message: string): string {
  return message.replace(/ (?:at or near|in) .*/su, "").slice(0, 200);
}

function replaceReady(): void {
  ready = spare;
  spare = undefined;
  void newInstance().then((instance) => {
    if (ready === undefined) ready = instance;
    else spare = instance;
  });
}

/** The package keeps one instance of its WebAssembly for a process: forgetting its module gives another. */
async function newInstance(): Promise<Library> {
  const path = require.resolve("libpg-query");
  // oxlint-disable-next-line typescript/no-dynamic-delete
  delete require.cache[path];
  const library = require(path) as Library;
  await library.loadModule();
  return library;
}
