import { type CommandResult, measureCommands } from "./policy-commands.js";
import {
  type DecisionResult,
  measureDecisions,
  measureOneTarget,
  measureOneTool,
} from "./policy-decisions.js";
import { columns } from "./table.js";

export interface PolicyResult {
  /** With ten times as many rules from one to the next. */
  readonly decisions: readonly DecisionResult[];
  /** The most rules, all of them about the hundred tools of one target. */
  readonly oneTarget: DecisionResult;
  /** 100 rules that all speak of the tool that is called. */
  readonly oneTool: DecisionResult;
  readonly commands: readonly CommandResult[];
}

const SIZES = [10, 100, 1_000, 10_000];

/** Measures decisions and, apart from them, the parsing of commands. */
export async function runPolicyBench(
  { isQuick }: { readonly isQuick: boolean },
  say: (text: string) => void,
): Promise<PolicyResult> {
  const count = isQuick ? 2_000 : 50_000;
  say(`decisions with ${SIZES.join(", ")} rules`);
  const decisions = measureDecisions(SIZES, count);
  const oneTarget = measureOneTarget(10_000, count);
  const oneTool = measureOneTool(100, count);
  say("commands");
  return { decisions, oneTarget, oneTool, commands: await measureCommands(isQuick ? 200 : 5_000) };
}

/** What people read. */
export function describePolicies({ decisions, oneTarget, oneTool, commands }: PolicyResult): string {
  const growth = (index: number): string => {
    const [before, now] = [decisions[index - 1], decisions[index]];
    return before && now ? `${(now.p50Micros / before.p50Micros).toFixed(1)} ×` : "";
  };
  const rows = [
    ...decisions.map((each, index) => row(each, growth(index))),
    row(oneTarget, "all for one target"),
    row(oneTool, "all for one tool"),
  ];
  const header = ["rules", "for the tool", "conditional", "p50 µs", "p99 µs", "for ten times the rules"];
  return [
    columns([header, ...rows], () => "right"),
    columns([
      ["parsing of", "p50 µs", "p99 µs"],
      ...commands.map(({ what, p50Micros, p99Micros }) => [what, p50Micros.toFixed(1), p99Micros.toFixed(1)]),
    ]),
  ].join("\n\n");
}

function row({ rules, matching, conditional, p50Micros, p99Micros }: DecisionResult, last: string): string[] {
  return [
    String(rules),
    String(matching),
    String(conditional),
    p50Micros.toFixed(1),
    p99Micros.toFixed(1),
    last,
  ];
}
