import type { ProblemDetail } from "@drawbridge/contracts";
import { parsePolicy, type PolicyDocument, type PolicyProblem, unenforceable } from "@drawbridge/policy";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { DomainError } from "../platform/errors.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";

/**
 * A policy from YAML or JSON text, with the lines of what is wrong in it.
 * @throws DomainError policy_invalid, policy_not_enforceable
 */
export function readPolicy(source: string): PolicyDocument {
  const lines = new LineCounter();
  const yaml = parseDocument(source, { lineCounter: lines, uniqueKeys: true });
  const [syntaxError] = yaml.errors;
  if (syntaxError) {
    const [position] = syntaxError.linePos ?? [];
    throw new DomainError("policy_invalid", "the policy is not valid YAML or JSON", [
      {
        path: "",
        message: syntaxError.message.split("\n")[0] ?? "",
        ...(position ? { line: position.line } : {}),
      },
    ]);
  }
  const withLine = ({ path, message }: PolicyProblem): ProblemDetail => {
    const line = lineOf(yaml, lines, path);
    return { path: path.join("."), message, ...(line === undefined ? {} : { line }) };
  };
  const parsed = parsePolicy(toValue(yaml));
  if (!parsed.ok) {
    throw new DomainError(
      "policy_invalid",
      "the policy does not have the shape of a policy",
      parsed.problems.map(withLine),
    );
  }
  const missing = unenforceable(parsed.policy, ENFORCED_FEATURES);
  if (missing.length > 0) {
    throw new DomainError(
      "policy_not_enforceable",
      "this control plane cannot enforce all of the policy",
      missing.map(withLine),
    );
  }
  return parsed.policy;
}

/** Aliases could make a small text a huge document. */
function toValue(yaml: Document.Parsed): unknown {
  try {
    return yaml.toJS({ maxAliasCount: 0 });
  } catch {
    throw new DomainError("policy_invalid", "the policy uses YAML aliases; write the parts out");
  }
}

/** The line of the innermost part of the path that is written down. */
function lineOf(yaml: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? yaml.contents : yaml.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}
