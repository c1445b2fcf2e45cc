import { parseArgs } from "node:util";

import { type Era, ERAS } from "./load-generator.js";

export const USAGE = `Usage: pnpm bench [options]

Measures one governed call beside its alternatives: the target itself (direct), nginx, a bare Node proxy over gRPC
(node), and Drawbridge with every control on (drawbridge), in both eras of the protocol. Takes about four minutes.

  --quick           a look in half a minute; too short to quote
  --seconds N       how long to measure each case at each number of sessions, in all (default 12)
  --sessions N,...  how many sessions at a time (default 1,32)
  --cases NAME,...  only these of: direct, nginx, node, drawbridge
  --eras NAME,...   only these of: legacy, modern
  --peers           also mcp-hub and supergateway, installed from npm into a temporary folder
  --policy          only decisions with 10 to 10,000 rules, and the parsing of commands apart; takes seconds
  --profile         only Drawbridge, and where its processor time goes
  --json            print the numbers as JSON and nothing else
  --help            show this
`;

export const CASES = ["direct", "nginx", "node", "drawbridge"] as const;
export type Case = (typeof CASES)[number];

export interface Options {
  help: boolean;
  json: boolean;
  peers: boolean;
  profile: boolean;
  policy: boolean;
  quick: boolean;
  cases: readonly Case[];
  sessions: readonly number[];
  eras: readonly Era[];
  /** Every case is measured once in each round, so that what the machine does meanwhile falls on all of them. */
  rounds: number;
  measureMs: number;
  warmUpMs: number;
  /** Before the first measurement of a case, for compilers and caches. */
  firstWarmUpMs: number;
}

/** @throws an error for people when an option is not known or not valid */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      quick: { type: "boolean", default: false },
      seconds: { type: "string" },
      sessions: { type: "string", default: "1,32" },
      cases: { type: "string", default: CASES.join(",") },
      eras: { type: "string", default: ERAS.join(",") },
      peers: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      policy: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const pace = values.quick
    ? { rounds: 2, seconds: 1, warmUpMs: 150, firstWarmUpMs: 500 }
    : { rounds: 3, seconds: 12, warmUpMs: 500, firstWarmUpMs: 2_000 };
  const seconds =
    values.seconds === undefined ? pace.seconds : boundedNumber("--seconds", values.seconds, 600);
  return {
    help: values.help,
    json: values.json,
    peers: values.peers,
    profile: values.profile,
    policy: values.policy,
    quick: values.quick,
    cases: values.cases.split(",").map((name) => known("--cases", name, CASES)),
    eras: values.eras.split(",").map((name) => known("--eras", name, ERAS)),
    sessions: values.sessions.split(",").map((text) => boundedNumber("--sessions", text, 128)),
    rounds: pace.rounds,
    measureMs: (seconds * 1_000) / pace.rounds,
    warmUpMs: pace.warmUpMs,
    firstWarmUpMs: pace.firstWarmUpMs,
  };
}

function boundedNumber(option: string, text: string, maximum: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > maximum) {
    throw new Error(`${option} ${text}: use a whole number from 1 to ${maximum}`);
  }
  return number;
}

function known<Name extends string>(option: string, name: string, names: readonly Name[]): Name {
  const found = names.find((each) => each === name);
  if (found === undefined) throw new Error(`${option} ${name}: use ${names.join(", ")}`);
  return found;
}
