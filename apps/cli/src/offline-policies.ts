import { readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CompiledPolicies,
  compilePolicies,
  type Feature,
  type PolicyDocument,
  readPolicySource,
} from "@drawbridge/policy";
import { nameOf, readDocumentFile } from "./document-files.js";
import { CliError, problemLine } from "./errors.js";
import type { Shell } from "./shell.js";

/** Policies evaluated here, without a control plane. */
export interface OfflinePolicies {
  readonly compiled: CompiledPolicies;
  /** Somebody that every one of them speaks of. */
  readonly groups: readonly string[];
}

const STARTER_DIRECTORY = fileURLToPath(new URL("../../../deploy/policies/", import.meta.url));
/** What the policies ask for is asked for here as well, whatever a control plane enforces. */
const EVERYTHING: ReadonlySet<Feature> = new Set(["condition", "approval", "limits", "jit", "mask_profile"]);

/** The starter rules when no file is given. @throws CliError with every problem of the first file that has some */
export async function readOfflinePolicies(
  files: readonly string[] | undefined,
  shell: Pick<Shell, "stdin">,
): Promise<OfflinePolicies> {
  const documents: PolicyDocument[] = [];
  for (const file of files ?? (await starterFiles())) documents.push(await readPolicy(file, shell));
  const versions = documents.map((document) => ({ name: document.metadata.name, version: 1, document }));
  return {
    compiled: compilePolicies(versions, EVERYTHING),
    groups: [...new Set(documents.flatMap(({ spec }) => spec.subjects.groups ?? []))],
  };
}

async function starterFiles(): Promise<string[]> {
  try {
    const names = await readdir(STARTER_DIRECTORY);
    return names
      .filter((name) => name.startsWith("starter-") && name.endsWith(".yaml"))
      .toSorted()
      .map((name) => path.join(STARTER_DIRECTORY, name));
  } catch (error) {
    throw new CliError("the starter rules are not here; give policies with -f", { cause: error });
  }
}

async function readPolicy(file: string, shell: Pick<Shell, "stdin">): Promise<PolicyDocument> {
  const read = readPolicySource(await readDocumentFile(file, shell));
  if (read.ok) return read.policy;
  throw new CliError(`${nameOf(file)}: ${read.summary}`, { details: read.problems.map(problemLine) });
}
