import type { McpRequest, McpResponse } from "@drawbridge/mcp";
import { setTimeout as wait } from "node:timers/promises";
import type { WantedChild } from "./children.js";
import {
  allRevisions,
  discoverRequest,
  discoverVerdict,
  initializeRequest,
  initializeVerdict,
  responseIn,
  type Verdict,
} from "./era-probe.js";
import { StdioChannel } from "./stdio-channel.js";
import type { LargeMessageSink } from "./target.js";
import type { TargetHost } from "./target-host.js";
import { TargetRefusedError } from "./target-refused-error.js";

/** A server that is up and says nothing to server/discover for so long does not know it. */
const SILENCE_MS = 5_000;
/** A server that does not even answer initialize is not slow, but no server. */
const LONGEST_START_MS = 30_000;
/** After its sibling has answered, both are up. */
const LATE_BY_MS = 1_000;

/** What became of a question: the server's answer, or why there is none. */
type Outcome = { readonly response: McpResponse } | { readonly silence: string };

/**
 * Asks two throw-away children which revisions they speak, one in each era: an era is a property of a process, and some
 * servers leave at a question of the other. Throws TargetRefusedError when neither is spoken.
 */
export async function probeStdio(
  host: TargetHost,
  wanted: WantedChild,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const initialize = ask(host, wanted, {
    request: initializeRequest(),
    patience: sleep(LONGEST_START_MS),
    signal,
  });
  // How long a server takes to start is known when it has answered the other question.
  const patience = Promise.all([
    sleep(SILENCE_MS),
    initialize.catch(() => undefined).then(() => sleep(LATE_BY_MS)),
  ]);
  const discover = ask(host, wanted, { request: discoverRequest(), patience, signal });
  const [modern, legacy] = await settleBoth(discover, initialize);
  if (signal.aborted) throw new TargetRefusedError("TARGET_UNAVAILABLE", "the agent is being stopped");
  const revisions = allRevisions(verdictOf(modern, discoverVerdict), verdictOf(legacy, initializeVerdict));
  if (revisions.length > 0) return revisions;
  const reason = "silence" in legacy ? legacy.silence : "the target refuses to initialize";
  host.children.failed(wanted.target, reason);
  throw new TargetRefusedError("TARGET_UNAVAILABLE", reason);
}

function verdictOf(outcome: Outcome, read: (response: McpResponse) => Verdict): Verdict {
  return "response" in outcome ? read(outcome.response) : "no";
}

/** Neither is left running when one could not be started. */
async function settleBoth(one: Promise<Outcome>, other: Promise<Outcome>): Promise<[Outcome, Outcome]> {
  const [first, second] = await Promise.allSettled([one, other]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}

interface Question {
  readonly request: McpRequest;
  readonly patience: Promise<unknown>;
  readonly signal: AbortSignal;
}

async function ask(host: TargetHost, wanted: WantedChild, question: Question): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const channel = new StdioChannel(
    { ...host, start: (listener) => host.children.startProbe(wanted, listener) },
    {
      message: (payload) => {
        const response = responseIn(payload);
        if (response) resolve({ response });
      },
      large: () => IGNORED,
      rubbish: () => undefined,
      stderr: () => undefined,
      ended: ({ reason }) => resolve({ silence: reason }),
    },
  );
  try {
    channel.write(question.request.bytes);
    void question.patience.then(() => resolve({ silence: "the target does not answer" }));
    question.signal.addEventListener("abort", () => resolve({ silence: "the agent is being stopped" }));
    return await promise;
  } finally {
    await channel.close();
  }
}

const IGNORED: LargeMessageSink = { push: () => undefined, end: () => undefined, abort: () => undefined };

/** Keeps nothing from ending. */
function sleep(ms: number): Promise<void> {
  return wait(ms, undefined, { ref: false });
}
