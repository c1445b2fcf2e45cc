import { TargetDocument } from "@drawbridge/contracts";
import { type Document, isNode, LineCounter, parseAllDocuments } from "yaml";
import { CliError } from "./errors.js";

/**
 * The targets in a YAML or JSON text of one or more documents.
 * @throws CliError with every problem and its line, before anything was sent
 */
export function parseTargetDocuments(text: string, file: string): TargetDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines });
  const parsed = [...documents].filter(({ contents }) => contents !== null);
  const targets: TargetDocument[] = [];
  const problems = [...documents].flatMap(({ errors }) =>
    errors.map(
      ({ message, linePos }) => `line ${linePos?.[0].line ?? 1}: ${message.split("\n")[0] ?? message}`,
    ),
  );
  if (problems.length === 0) {
    for (const document of parsed) {
      const result = TargetDocument.safeParse(document.toJS({ maxAliasCount: 100 }));
      if (result.success) targets.push(result.data);
      else
        problems.push(
          ...result.error.issues.map(
            ({ path, message }) =>
              `line ${lineOf(document, path, lines)}: ${path.join(".") || "document"}: ${message}`,
          ),
        );
    }
  }
  if (problems.length > 0) throw new CliError(`${file} does not describe targets`, { details: problems });
  if (targets.length === 0) throw new CliError(`${file} holds no target`);
  return targets;
}

/** The line of the innermost part of the path that exists. */
function lineOf(document: Document.Parsed, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
