import { parsePolicy, type PolicyDocument } from "./document.js";
import { MAX_PROBLEMS, type PolicyProblem } from "./document-problems.js";
import { readYaml, YamlProblem, type YamlValue } from "./yaml-source.js";

/** What is wrong in one place of a policy's text. */
export interface SourceProblem {
  /** A dotted path, or empty for the whole. */
  readonly path: string;
  readonly message: string;
  readonly line?: number;
}

export type PolicySource =
  | {
      readonly ok: true;
      readonly policy: PolicyDocument;
      /** For what is found to be wrong later. */
      readonly withLines: (problems: readonly PolicyProblem[]) => SourceProblem[];
    }
  | { readonly ok: false; readonly summary: string; readonly problems: readonly SourceProblem[] };

/** A policy from YAML or JSON text, or the lines of what is wrong in it. In time linear to the text, whatever it says. */
export function readPolicySource(source: string): PolicySource {
  let yaml: YamlValue;
  try {
    yaml = readYaml(source);
  } catch (error) {
    if (!(error instanceof YamlProblem)) throw error;
    const { message, line } = error;
    const problem = { path: "", message, ...(line === undefined ? {} : { line }) };
    return { ok: false, summary: "the policy is not valid YAML or JSON", problems: [problem] };
  }
  const withLines = (problems: readonly PolicyProblem[]) => locate(problems, yaml);
  const parsed = parsePolicy(yaml.value);
  if (parsed.ok) return { ok: true, policy: parsed.policy, withLines };
  return {
    ok: false,
    summary: "the policy does not have the shape of a policy",
    problems: withLines(parsed.problems),
  };
}

function locate(problems: readonly PolicyProblem[], { lineOf }: YamlValue): SourceProblem[] {
  return problems.slice(0, MAX_PROBLEMS).map(({ path, message }) => {
    const line = lineOf(path);
    return { path: path.join("."), message, ...(line === undefined ? {} : { line }) };
  });
}
