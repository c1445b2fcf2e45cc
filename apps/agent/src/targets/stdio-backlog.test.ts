import { type ExchangeFailure, ExchangeFailure as Failure } from "@drawbridge/protocol";
import { parseMessage } from "@drawbridge/mcp";
import { encodeMessage, modern, type JsonRpcObject, request } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { ScriptedProcess } from "./fakes/scripted-process.js";
import { FakeListener } from "./fakes/target-bench.js";
import { ModernStdioTarget } from "./modern-stdio-target.js";
import type { ServerProcessListener } from "./server-process.js";
import type { StdioChannelOptions } from "./stdio-channel.js";
import { StdioTarget } from "./stdio-target.js";

const MAX = 10_000;
const RESERVE = 4 * 1024 * 1024;

function start(era: "legacy" | "modern") {
  const processes: ScriptedProcess[] = [];
  const listener = new FakeListener();
  const options: StdioChannelOptions = {
    maxMessageBytes: MAX,
    wholeMessageBytes: MAX,
    start: (of: ServerProcessListener) => {
      const started = new ScriptedProcess(of);
      processes.push(started);
      return started.asServerProcess;
    },
  };
  const target =
    era === "modern" ? new ModernStdioTarget(options, listener) : new StdioTarget(options, listener);
  const [server] = processes;
  if (!server) throw new Error("no process was started");
  const send = (exchange: number, message: JsonRpcObject) => {
    listener.begin(exchange, `n:${exchange}`);
    const parsed = parseMessage(encodeMessage(message));
    target.send({ exchange, parsed, protocolVersion: "", parameterHeaders: {} });
  };
  const failureOf = (exchange: number): ExchangeFailure | undefined =>
    listener.failures.get(exchange)?.failure;
  return { target, server, send, failureOf };
}

describe.each(["legacy", "modern"] as const)("a stdio target that does not read (%s)", (era) => {
  const call = (id: number) =>
    era === "modern" ? modern(request(id, "vendor/any")) : request(id, "vendor/any");

  test("is sent no call, but that nobody waits for the one before", () => {
    const { target, server, send, failureOf } = start(era);
    send(1, call(1));
    server.backlogBytes = MAX + 1;
    send(2, call(2));
    expect(failureOf(2)).toBe(Failure.NOT_SENT);
    target.cancel(1, { id: { text: "1" }, method: "vendor/any" }, "nobody waits");
    expect(server.written).toHaveLength(2);
    expect(server.written[1]).toContain('"notifications/cancelled"');
  });

  test("does not fill the agent's memory with that", () => {
    const { target, server, send } = start(era);
    send(1, call(1));
    server.backlogBytes = MAX + RESERVE + 1;
    target.cancel(1, { id: { text: "1" }, method: "vendor/any" }, "nobody waits");
    expect(server.written).toHaveLength(1);
  });
});
