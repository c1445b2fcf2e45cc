import { TargetDocument } from "@drawbridge/contracts";
import { type Document, isNode, LineCounter, parseAllDocuments } from "yaml";
import { CliError } from "./errors.js";

/** Beyond this, a small text could describe a value of any size. */
const MAX_ALIASES = 100;

/**
 * The targets in a YAML or JSON text of one or more documents.
 * @throws CliError with every problem and its line, before anything was sent
 */
export function parseTargetDocuments(text: string, file: string): TargetDocument[] {
  const lines = new LineCounter();
  const documents = [...parseAllDocuments(text, { lineCounter: lines })];
  const broken = documents.flatMap(({ errors }) =>
    errors.map(
      ({ message, linePos }) => `line ${linePos?.[0].line ?? 1}: ${message.split("\n")[0] ?? message}`,
    ),
  );
  if (broken.length > 0) throw new CliError(`${file} is not valid YAML or JSON`, { details: broken });

  const present = documents.map((document) => ({ document, value: valueOf(document, file) }));
  const results = present
    .filter(({ value }) => value !== null)
    .map(({ document, value }) => ({ document, result: TargetDocument.safeParse(value) }));
  const problems = results.flatMap(({ document, result }) =>
    (result.error?.issues ?? []).map(
      ({ path, message }) =>
        `line ${lineOf(document, path, lines)}: ${path.join(".") || "document"}: ${message}`,
    ),
  );
  if (problems.length > 0) throw new CliError(`${file} does not describe targets`, { details: problems });
  const targets = results.flatMap(({ result }) => result.data ?? []);
  if (targets.length === 0) throw new CliError(`${file} holds no target`);
  return targets;
}

/** Null for an empty document, like the one after a last `---`. */
function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    throw new CliError(`${file} uses too many YAML aliases; write the values out`, { cause: error });
  }
}

/** The line of the innermost part of the path that exists. */
function lineOf(document: Document.Parsed, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
