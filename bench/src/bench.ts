import { chmod, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { startBareNode } from "./bare-node.js";
import { startDirect } from "./direct.js";
import { CARD, startDrawbridge } from "./drawbridge.js";
import { CALL } from "./drawbridge-documents.js";
import { type Era, LoadGenerator, type LoadOutcome } from "./load-generator.js";
import { type CaseResult, combine, combineParts, type PartResult, type Round } from "./measurement.js";
import { startNginx } from "./nginx.js";
import type { Case, Options } from "./options.js";
import { startPeers } from "./npm-peers.js";
import { type Part, type Usage, usageOf } from "./process-usage.js";
import { program, startAnnounced, STOP_WITHIN_MS } from "./programs.js";
import { SkippedError, type Subject } from "./subject.js";

export interface BenchResult {
  readonly cases: readonly CaseResult[];
  readonly parts: readonly PartResult[];
}

interface Bench {
  readonly options: Options;
  /** The target and the load generator: they share the machine with what is measured. */
  readonly harness: readonly Part[];
  readonly load: LoadGenerator;
  readonly say: (text: string) => void;
}

/** Starts everything, measures every case in every round, looks whether it was governed, stops everything. */
export async function runBench(options: Options, say: (text: string) => void): Promise<BenchResult> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const scratch = await makeScratch();
    stops.push(() => rm(scratch, { recursive: true, force: true }));
    const target = await startAnnounced({ name: "the stub target", args: [program("stub-target")] });
    stops.push(() => target.child.stop(STOP_WITHIN_MS));
    const load = new LoadGenerator();
    stops.push(() => load.stop());

    const subjects: Subject[] = [];
    stops.push(() => Promise.all(subjects.map((subject) => subject.stop())));
    for (const name of options.cases) {
      const subject = await startOrSkip(
        () => start(name, { targetUrl: target.line, scratch, say }),
        name,
        say,
      );
      if (subject) subjects.push(subject);
    }
    if (options.peers) subjects.push(...(await startPeers({ targetUrl: target.line, scratch, say })));
    const harness = [
      { name: "(target)", pids: [target.child.pid] },
      { name: "(load generator)", pids: [load.pid] },
    ];
    return await measureAll({ options, harness, load, say }, subjects);
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

/** A folder that the account of the database and nginx' worker may pass through; what is secret in it is 0600. */
export async function makeScratch(): Promise<string> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), "drawbridge-bench-"));
  await chmod(scratch, 0o711);
  return scratch;
}

interface Start {
  readonly targetUrl: string;
  readonly scratch: string;
  readonly say: (text: string) => void;
}

function start(name: Case, { targetUrl, scratch, say }: Start): Subject | Promise<Subject> {
  switch (name) {
    case "direct":
      return startDirect(targetUrl);
    case "nginx":
      return startNginx(targetUrl, scratch);
    case "node":
      return startBareNode(targetUrl);
    case "drawbridge":
      return startDrawbridge({ targetUrl, scratch, nodeArguments: [], say });
  }
}

async function startOrSkip(
  begin: () => Subject | Promise<Subject>,
  name: string,
  say: (text: string) => void,
): Promise<Subject | undefined> {
  try {
    return await begin();
  } catch (error) {
    if (!(error instanceof SkippedError)) throw error;
    say(`SKIPPED ${name}: ${error.message}`);
    return undefined;
  }
}

async function measureAll(bench: Bench, subjects: readonly Subject[]): Promise<BenchResult> {
  const { options, say } = bench;
  const facts = new Map(subjects.map((subject) => [subject, { answered: 0, sample: "" }]));
  const cells = cellsOf(options, subjects);
  for (const { subject, era } of cells.filter(({ sessions }) => sessions === options.sessions[0])) {
    note(facts.get(subject), await warmUp(bench, subject, era));
  }
  for (let number = 1; number <= options.rounds; number += 1) {
    say(`round ${number} of ${options.rounds}: ${subjects.map(({ name }) => name).join(", ")}`);
    for (const cell of cells) {
      const round = await measure(bench, cell);
      note(facts.get(cell.subject), round.outcome);
      cell.rounds.push(round);
    }
  }
  await verifyAll(facts, say);
  return results(cells);
}

/** One line of the table. */
interface Cell {
  readonly subject: Subject;
  readonly era: Era;
  readonly sessions: number;
  readonly rounds: Round[];
}

function cellsOf({ eras, sessions }: Options, subjects: readonly Subject[]): Cell[] {
  return eras.flatMap((era) =>
    sessions.flatMap((count) =>
      subjects
        .filter((subject) => subject.eras?.includes(era) ?? true)
        .map((subject) => ({ subject, era, sessions: count, rounds: [] })),
    ),
  );
}

async function verifyAll(facts: ReadonlyMap<Subject, Fact>, say: (text: string) => void): Promise<void> {
  for (const [subject, fact] of facts) {
    if (subject.verify) say(`${subject.name}: ${await subject.verify(fact)}`);
    else if (!fact.sample.includes(CARD)) {
      throw new Error(`${subject.name} did not pass on what the target said: ${fact.sample}`);
    }
  }
}

interface Fact {
  answered: number;
  sample: string;
}

function note(fact: Fact | undefined, outcome: LoadOutcome): void {
  if (!fact) return;
  fact.answered += outcome.answered;
  fact.sample = outcome.sample;
}

function results(cells: readonly Cell[]): BenchResult {
  const measured = ({ subject: { name }, era, sessions }: Cell) => ({ name, era, sessions });
  return {
    cases: cells.map((cell) => combine(measured(cell), cell.rounds)),
    parts: cells.flatMap((cell) => combineParts(measured(cell), cell.rounds)),
  };
}

export async function warmUp({ load, options }: Bench, subject: Subject, era: Era): Promise<LoadOutcome> {
  return load.run({
    ...wish(subject, era),
    sessions: Math.max(...options.sessions),
    warmUpMs: 0,
    measureMs: options.firstWarmUpMs,
  });
}

function wish({ url, headers, transport, toolName = CALL.name }: Subject, era: Era) {
  return { url, headers, era, call: { ...CALL, name: toolName }, ...(transport && { transport }) };
}

/** One measurement, with what each part used while it ran. */
async function measure({ load, options, harness }: Bench, { subject, era, sessions }: Cell): Promise<Round> {
  const snapshot = async (): Promise<Map<string, Usage>> => {
    const parts = [...(await subject.parts()), ...harness];
    return new Map(await Promise.all(parts.map(async (part) => [part.name, await usageOf(part)] as const)));
  };
  let before = Promise.resolve(new Map<string, Usage>());
  let after = before;
  const outcome = await load.run(
    { ...wish(subject, era), sessions, warmUpMs: options.warmUpMs, measureMs: options.measureMs },
    { onBegin: () => (before = snapshot()), onEnd: () => (after = snapshot()) },
  );
  const first = await before;
  const parts = [...(await after)].map(([name, { rssMb, cpuSeconds }]) => ({
    name,
    isHarness: harness.some((part) => part.name === name),
    rssMb,
    cpuSeconds: cpuSeconds - (first.get(name)?.cpuSeconds ?? 0),
  }));
  return { outcome, parts };
}
