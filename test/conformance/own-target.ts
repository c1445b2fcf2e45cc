import { allowed, type Cell, runCell } from "./matrix.js";
import { Governed, type PlantedBug } from "./governed.js";
import type { OwnTarget } from "./options.js";
import type { Revision } from "./revisions.js";
import { testServer } from "./suite.js";

export interface OwnTargetOptions {
  readonly revisions: readonly Revision[];
  readonly only?: readonly string[] | undefined;
  readonly bug?: PlantedBug | undefined;
  readonly say: (line: string) => void;
}

/**
 * Runs the suite against somebody's own server. What speaks stdio the suite cannot reach by itself: there is no direct
 * run of it, only the one through Drawbridge.
 */
export async function runOwnTarget(target: OwnTarget, options: OwnTargetOptions): Promise<Cell[]> {
  const { revisions, only, bug, say } = options;
  const transport = "url" in target ? "http" : "stdio";
  const allow = "url" in target ? { urls: [target.url] } : { commands: [allowed(target.command)] };
  say("starting Postgres, control plane and agent");
  const governed = await Governed.start(allow, bug);
  try {
    const cells: Cell[] = [];
    for (const revision of revisions) {
      if ("url" in target) say(`${revision}: directly`);
      const direct = "url" in target ? await testServer({ url: target.url, revision, only }) : undefined;
      say(`${revision}: through Drawbridge`);
      const name = `target-${revision}`;
      await governed.applyTarget(name, reached(target));
      cells.push(await runCell(governed, { target: name, transport, revision, direct, only }));
    }
    return cells;
  } finally {
    await governed.stop();
  }
}

function reached(target: OwnTarget) {
  if ("url" in target) return { http: { url: target.url } };
  const [command, ...args] = target.command;
  return { stdio: { command, arguments: args } };
}
