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
} from "./era-probe.js";
import { StdioChannel } from "./stdio-channel.js";
import type { LargeMessageSink } from "./target.js";
import type { TargetHost } from "./target-host.js";
import { TargetRefusedError } from "./target-refused-error.js";

/** A server that is up and silent for so long does not know what it was asked. */
const SILENCE_MS = 5_000;
/** A server that has said nothing by then, whatever it was asked, is not slow but none. */
const LONGEST_START_MS = 30_000;
/** Once a server has answered one question, the other process is up as well. */
const LATE_BY_MS = 1_000;

const STOPPING = "the agent is being stopped";

/** What became of a question: the server's answer, or why there is none. */
type Outcome = { readonly response: McpResponse } | { readonly silence: string };

/**
 * Asks two throw-away children which revisions they speak, one in each era: an era is a property of a process, and some
 * servers leave at a question of the other. Both run at the same time, unless only one place is free on this host.
 * Throws TargetRefusedError when neither is spoken.
 */
export async function probeStdio(
  host: TargetHost,
  wanted: WantedChild,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const questions: Question[] = [];
  const ask = (request: McpRequest) => {
    if (signal.aborted) throw new TargetRefusedError("TARGET_UNAVAILABLE", STOPPING);
    const question = new Question(host, wanted, request);
    questions.push(question);
    return question;
  };
  try {
    signal.addEventListener("abort", () => questions.forEach((question) => question.giveUp()));
    const outcomes = await (host.children.free > 1 ? askAtOnce(ask) : askInTurn(ask));
    if (signal.aborted) throw new TargetRefusedError("TARGET_UNAVAILABLE", STOPPING);
    return conclude(host, wanted, outcomes);
  } finally {
    await Promise.all(questions.map((question) => question.close()));
  }
}

async function askAtOnce(ask: (request: McpRequest) => Question): Promise<Outcomes> {
  const discover = ask(discoverRequest());
  const initialize = ask(initializeRequest());
  limitPatience(discover, initialize);
  return { discover: await discover.outcome, initialize: await initialize.outcome };
}

/** First what most servers answer in one way or another: that tells how long they take to start. */
async function askInTurn(ask: (request: McpRequest) => Question): Promise<Outcomes> {
  const startedAt = performance.now();
  const first = ask(initializeRequest());
  void sleep(LONGEST_START_MS).then(() => first.giveUp());
  const initialize = await first.outcome;
  const tookMs = performance.now() - startedAt;
  await first.close();
  const second = ask(discoverRequest());
  const patienceMs = "response" in initialize ? Math.max(SILENCE_MS, tookMs + LATE_BY_MS) : LONGEST_START_MS;
  void sleep(patienceMs).then(() => second.giveUp());
  return { discover: await second.outcome, initialize };
}

/** How long a server takes to start is known when it has answered the other question; only then silence says anything. */
function limitPatience(discover: Question, initialize: Question): void {
  for (const [question, other] of [
    [discover, initialize],
    [initialize, discover],
  ] as const) {
    const bothAreUp = other.outcome.then((outcome) =>
      sleep("response" in outcome ? LATE_BY_MS : LONGEST_START_MS),
    );
    void Promise.all([sleep(SILENCE_MS), bothAreUp]).then(() => question.giveUp());
    void sleep(LONGEST_START_MS).then(() => question.giveUp());
  }
}

interface Outcomes {
  readonly discover: Outcome;
  readonly initialize: Outcome;
}

function conclude(
  host: TargetHost,
  wanted: WantedChild,
  { discover, initialize }: Outcomes,
): readonly string[] {
  const revisions = allRevisions(
    "response" in discover ? discoverVerdict(discover.response) : "no",
    "response" in initialize ? initializeVerdict(initialize.response) : "no",
  );
  if (revisions.length > 0) return revisions;
  const reason = "silence" in initialize ? initialize.silence : "the target refuses to initialize";
  host.children.failed(wanted.target, reason);
  throw new TargetRefusedError("TARGET_UNAVAILABLE", reason);
}

/** One request to a child of its own. */
class Question {
  readonly outcome: Promise<Outcome>;
  readonly #settle: (outcome: Outcome) => void;
  readonly #channel: StdioChannel;

  constructor(host: TargetHost, wanted: WantedChild, request: McpRequest) {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.outcome = promise;
    this.#settle = resolve;
    const start = host.children.startProbe.bind(host.children, wanted);
    this.#channel = new StdioChannel(
      { ...host, start },
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
    this.#channel.write(request.bytes);
  }

  giveUp(): void {
    this.#settle({ silence: "the target does not answer" });
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}

const IGNORED: LargeMessageSink = { push: () => undefined, end: () => undefined, abort: () => undefined };

/** Keeps nothing from ending. */
function sleep(ms: number): Promise<void> {
  return wait(ms, undefined, { ref: false });
}
