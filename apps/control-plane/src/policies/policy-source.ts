import type { ProblemDetail } from "@drawbridge/contracts";
import { parsePolicy, type PolicyDocument, type PolicyProblem, unenforceable } from "@drawbridge/policy";
import { DomainError } from "../platform/errors.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { readYaml, YamlProblem, type YamlValue } from "./yaml-source.js";

/** What is wrong with a policy is told in so many places of it at most. */
const MAX_PROBLEMS = 50;

/**
 * A policy from YAML or JSON text, with the lines of what is wrong in it.
 * @throws DomainError policy_invalid, policy_not_enforceable
 */
export function readPolicy(source: string): PolicyDocument {
  const yaml = readSource(source);
  const parsed = parsePolicy(yaml.value);
  if (!parsed.ok) {
    throw new DomainError(
      "policy_invalid",
      "the policy does not have the shape of a policy",
      withLines(parsed.problems, yaml),
    );
  }
  const missing = unenforceable(parsed.policy, ENFORCED_FEATURES);
  if (missing.length > 0) {
    throw new DomainError(
      "policy_not_enforceable",
      "this control plane cannot enforce all of the policy",
      withLines(missing, yaml),
    );
  }
  return parsed.policy;
}

/** The same, of a document that must be of this policy. @throws DomainError as `readPolicy` */
export function readPolicyNamed(name: string, source: string): PolicyDocument {
  const document = readPolicy(source);
  if (document.metadata.name === name) return document;
  throw new DomainError(
    "policy_invalid",
    `the document names the policy ${document.metadata.name}, the address ${name}`,
  );
}

function readSource(source: string): YamlValue {
  try {
    return readYaml(source);
  } catch (error) {
    if (!(error instanceof YamlProblem)) throw error;
    const { message, line } = error;
    throw new DomainError("policy_invalid", "the policy is not valid YAML or JSON", [
      { path: "", message, ...(line === undefined ? {} : { line }) },
    ]);
  }
}

function withLines(problems: readonly PolicyProblem[], { lineOf }: YamlValue): ProblemDetail[] {
  return problems.slice(0, MAX_PROBLEMS).map(({ path, message }) => {
    const line = lineOf(path);
    return { path: path.join("."), message, ...(line === undefined ? {} : { line }) };
  });
}
