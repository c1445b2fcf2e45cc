import { type PolicyDocument, readPolicySource, unenforceable } from "@drawbridge/policy";
import { DomainError } from "../platform/errors.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";

/**
 * A policy from YAML or JSON text, with the lines of what is wrong in it.
 * @throws DomainError policy_invalid, policy_not_enforceable
 */
export function readPolicy(source: string): PolicyDocument {
  const read = readPolicySource(source);
  if (!read.ok) throw new DomainError("policy_invalid", read.summary, [...read.problems]);
  const missing = unenforceable(read.policy, ENFORCED_FEATURES);
  if (missing.length > 0) {
    throw new DomainError(
      "policy_not_enforceable",
      "this control plane cannot enforce all of the policy",
      read.withLines(missing),
    );
  }
  return read.policy;
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
