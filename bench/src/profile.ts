import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { makeScratch } from "./bench.js";
import { byCategory, type CpuProfile, type Interval, selfTimes } from "./cpu-profile.js";
import { startDrawbridge } from "./drawbridge.js";
import { CALL } from "./drawbridge-documents.js";
import { LoadGenerator } from "./load-generator.js";
import type { Options } from "./options.js";
import { program, startAnnounced, STOP_WITHIN_MS } from "./programs.js";
import { columns } from "./table.js";

const FUNCTIONS = 25;

/** Runs Drawbridge alone under the profiler with the most sessions that were asked for, and says where the time went. */
export async function runProfile(options: Options, say: (text: string) => void): Promise<string> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const scratch = await makeScratch();
    stops.push(() => rm(scratch, { recursive: true, force: true }));
    const target = await startAnnounced({ name: "the stub target", args: [program("stub-target")] });
    stops.push(() => target.child.stop(STOP_WITHIN_MS));
    const load = new LoadGenerator();
    stops.push(() => load.stop());
    const profiles = path.join(scratch, "profiles");
    const nodeArguments = ["--cpu-prof", "--cpu-prof-dir", profiles, "--cpu-prof-interval", "500"];
    const subject = await startDrawbridge({ targetUrl: target.line, scratch, nodeArguments, say });
    stops.push(() => subject.stop());

    const { url, headers } = subject;
    const [era = "legacy"] = options.eras;
    const wish = { url, headers, era, call: CALL, sessions: Math.max(...options.sessions) };
    let fromMicros = 0;
    const measureMs = options.measureMs * options.rounds;
    const onBegin = (): void => {
      fromMicros = monotonicMicros();
    };
    const outcome = await load.run({ ...wish, warmUpMs: options.firstWarmUpMs, measureMs }, { onBegin });
    const interval = { fromMicros, toMicros: fromMicros + measureMs * 1_000 };
    const pids = new Map(
      (await subject.parts()).flatMap(({ name, pids: [pid] }) => (pid ? [[pid, name]] : [])),
    );
    stops.pop();
    await subject.stop();
    return await describeProfiles({ profiles, pids, interval, calls: outcome.latenciesMs.length });
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

interface Profiles {
  readonly profiles: string;
  /** Names of the processes by pid. */
  readonly pids: ReadonlyMap<number, string>;
  readonly interval: Interval;
  readonly calls: number;
}

async function describeProfiles({ profiles, pids, interval, calls }: Profiles): Promise<string> {
  const sections: string[] = [];
  for (const file of await readdir(profiles)) {
    // CPU.<date>.<time>.<pid>.<thread>.<sequence>.cpuprofile
    const name = pids.get(Number(file.split(".")[3]));
    if (name === undefined) continue;
    const profile = JSON.parse(await readFile(path.join(profiles, file), "utf8")) as CpuProfile;
    const times = selfTimes(profile, interval);
    const total = times.reduce((sum, { micros }) => sum + micros, 0);
    const row = (cells: readonly string[], micros: number): string[] => [
      ...cells,
      (micros / calls).toFixed(1),
      `${((micros / total) * 100).toFixed(1)} %`,
    ];
    const busy = ((total / (interval.toMicros - interval.fromMicros)) * 100).toFixed(0);
    sections.push(
      `${name}: ${(total / calls).toFixed(0)} µs a call on its thread, which was busy for ${busy} % of the time`,
      columns([
        ["where", "µs a call", "share"],
        ...byCategory(times).map(({ category, micros }) => row([category], micros)),
      ]),
      columns(
        [
          ["function", "where", "µs a call", "share"],
          ...times.slice(0, FUNCTIONS).map((time) => row([time.name, time.category], time.micros)),
        ],
        (index) => (index < 2 ? "left" : "right"),
      ),
    );
  }
  if (sections.length === 0) throw new Error("the profiler wrote nothing");
  return sections.join("\n\n");
}
