import assert from "node:assert/strict";
import { createMasker } from "@drawbridge/masking";
import { jsonRpcId, MalformedMessageError, type McpMessage, parseBody, rewriteIds } from "@drawbridge/mcp";
import { SessionRequest } from "@drawbridge/protocol";
import {
  fuzz,
  inPieces,
  mutatedBytes,
  mutatedMessage,
  type Random,
  request,
  TARGET_MESSAGES,
} from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { type SessionBench, sessionBench, settled } from "../fakes/session-bench.js";
import { ScriptedProcess } from "../targets/fakes/scripted-process.js";
import { ModernStdioTarget } from "../targets/modern-stdio-target.js";
import { StdioTarget } from "../targets/stdio-target.js";

const LINE_ENDS = ["\n", "\n", "\n", "\r\n", "\n\n", "\nlistening on port 80\n", "\0\n"];
const WHOLE_BYTES = [64, 150, 65_536];
const EXCHANGES = [1, 2, 3, 4];
/** In what targets say, and not to be told in any words of the agent's own. */
const SECRET = "AKIAIOSFODNN7EXAMPLE";
const PATIENCE_TURNS = 2_000;
const masker = createMasker();

/** What a process writes to stdout: answers, questions, notifications, and what has become of them. */
function generate(random: Random): Uint8Array {
  const lines = Array.from({ length: 1 + random.below(5) }, () => [
    mutatedMessage(random, TARGET_MESSAGES),
    Buffer.from(random.pick(LINE_ENDS)),
  ]);
  const stream = Buffer.concat(lines.flat());
  return random.oneIn(4) ? mutatedBytes(stream, random) : stream;
}

interface Running {
  readonly bench: SessionBench;
  readonly process: () => ScriptedProcess;
}

function begin(era: "legacy" | "modern", wholeMessageBytes: number): Running {
  let running: ScriptedProcess | undefined;
  const bench = sessionBench({
    era,
    masker,
    versions: ["2026-07-28"],
    openTarget: (_definition, { listener }) => {
      const options = {
        maxMessageBytes: 65_536,
        wholeMessageBytes,
        start: (of: ConstructorParameters<typeof ScriptedProcess>[0]) =>
          (running = new ScriptedProcess(of)).asServerProcess,
      };
      return era === "modern" ? new ModernStdioTarget(options, listener) : new StdioTarget(options, listener);
    },
  });
  // The ids are those that the target is shown in both eras.
  for (const exchange of EXCHANGES) bench.send(exchange, request(exchange, "resources/read", { uri: "a:b" }));
  return {
    bench,
    process: () => {
      if (!running) throw new Error("the target was not started");
      return running;
    },
  };
}

/**
 * By the definition of the transport: each line, masked, if it is a message; at 2025-03-26 each of an array of them. At
 * 2026-07-28 what a message says of its subscription is put right, with the exchange it belongs to.
 */
function whatMayLeave(stream: Uint8Array): Set<string> {
  const lines = Buffer.from(stream).toString("latin1").split("\n");
  return new Set(lines.flatMap((line) => masked(Buffer.from(line.replace(/\r$/, ""), "latin1"))));
}

function masked(line: Uint8Array): string[] {
  try {
    const messages = parseBody(line).messages.filter((each) => !(each instanceof MalformedMessageError));
    const variants = (messages as McpMessage[]).flatMap((message) => [
      message.bytes,
      ...EXCHANGES.map((id) =>
        rewriteIds(message, { requestId: jsonRpcId(id), subscriptionId: jsonRpcId(id) }),
      ),
    ]);
    return variants.map((bytes) => latin1(masker.maskMessage(bytes).payload));
  } catch {
    return [];
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns === PATIENCE_TURNS) throw new Error(`it hangs: ${what}`);
    await settled();
  }
}

/** What the control plane was told, as messages: those in pieces put together. */
function messagesIn({ frames }: SessionBench): string[] {
  const messages: string[] = [];
  const pieces = new Map<number, Uint8Array[]>();
  for (const frame of frames) {
    if (frame.$case === "message") messages.push(latin1(frame.value.payload));
    if (frame.$case !== "messageChunk") continue;
    const { transfer, payload, end } = frame.value;
    pieces.set(transfer, [...(pieces.get(transfer) ?? []), payload]);
    if (end) messages.push(latin1(Buffer.concat(pieces.get(transfer) ?? [])));
  }
  return messages;
}

/** The exchanges of which it was told that they are over, in the order of their numbers. */
function endsIn({ frames }: SessionBench): number[] {
  const ends = frames.flatMap((frame) => {
    if (frame.$case === "message") return frame.value.final ? [frame.value.exchange] : [];
    if (frame.$case === "messageChunk") return frame.value.end ? [frame.value.end.exchange] : [];
    return frame.$case === "exchangeFailed" ? [frame.value.exchange] : [];
  });
  return ends.toSorted((one, other) => one - other);
}

function assertSaysNoSecret({ frames }: SessionBench): void {
  for (const frame of frames) {
    if (frame.$case === "message" || frame.$case === "messageChunk") continue;
    const bytes = SessionRequest.encode({ frame }).finish();
    assert.ok(!latin1(bytes).includes(SECRET), "a secret in the agent's own words");
  }
}

async function check(stream: Uint8Array, random: Random): Promise<number> {
  const { bench, process } = begin(random.pick(["legacy", "modern"]), random.pick(WHOLE_BYTES));
  for (const piece of inPieces(stream, random)) process().says(piece);
  await until(() => process().isRead, "the stream is not read to its end");
  process().ends("it exited");
  await until(() => bench.ends.length > 0, "the session does not end with its target");
  assert.deepEqual(endsIn(bench), EXCHANGES, "each exchange ends once");
  assertSaysNoSecret(bench);
  const allowed = whatMayLeave(stream);
  for (const message of messagesIn(bench)) assert.ok(allowed.has(message), `this must not leave: ${message}`);
  await bench.session.end("the test is over");
  return Math.max(1, stream.filter((byte) => byte === 0x0a).length);
}

test("whatever a process writes, calls end and only masked messages leave", async () => {
  const fed = await fuzz({ name: "stdio-reader", share: 80, generate, check }, inject("fuzz"));
  expect(fed).toBeGreaterThan(0);
});
