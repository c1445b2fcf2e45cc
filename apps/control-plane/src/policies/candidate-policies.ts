import { type PolicyDocument, type PolicyVersion } from "@drawbridge/policy";
import { DomainError } from "../platform/errors.js";
import { FairTurns } from "../platform/fair-turns.js";
import { readPolicy } from "./policy-source.js";

/** What decisions by a candidate say of its version: it has none. */
const CANDIDATE_VERSION = 0;

/** @throws DomainError policy_invalid, policy_not_enforceable: the paths begin with which candidate it is */
export async function readCandidates(sources: readonly string[]): Promise<PolicyDocument[]> {
  const turns = new FairTurns();
  const documents = new Map<string, PolicyDocument>();
  for (const [index, source] of sources.entries()) {
    await turns.next();
    const document = readCandidate(source, index);
    const { name } = document.metadata;
    if (documents.has(name))
      throw new DomainError("policy_invalid", `there are two candidates for the policy ${name}; give one`);
    documents.set(name, document);
  }
  return [...documents.values()];
}

function readCandidate(source: string, index: number): PolicyDocument {
  try {
    return readPolicy(source);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const problems = error.problems.map((problem) => ({
      ...problem,
      path: problem.path === "" ? `candidates.${index}` : `candidates.${index}.${problem.path}`,
    }));
    throw new DomainError(error.code, error.message, problems);
  }
}

/** The live policies as they would be with the candidates in place of those of their names. */
export function withCandidates(
  live: readonly PolicyVersion[],
  candidates: readonly PolicyDocument[],
): PolicyVersion[] {
  const replaced = new Set(candidates.map(({ metadata }) => metadata.name));
  return [
    ...live.filter(({ name }) => !replaced.has(name)),
    ...candidates.map((document) => ({
      name: document.metadata.name,
      version: CANDIDATE_VERSION,
      document,
    })),
  ];
}
