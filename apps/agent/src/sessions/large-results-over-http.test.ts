import { ExchangeFailure } from "@drawbridge/protocol";
import { ping, startScriptableHttpServer, toolCall } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { cleanUpAfterEach, onTestEnd, startBench } from "../fakes/agent-bench.js";
import { httpTarget, testConfig } from "../fakes/agent-under-test.js";
import type { FakeSession } from "../fakes/fake-control-plane.js";
import { waitFor } from "../fakes/wait-for.js";

cleanUpAfterEach();

const LARGE_BYTES = 6_000_000;

async function openOverHttp(answers: "auto" | "sse"): Promise<FakeSession> {
  const server = await startScriptableHttpServer({ answers });
  onTestEnd(() => server.close());
  const { openInitialized } = await startBench(testConfig([server.url]));
  return openInitialized(httpTarget(server.url));
}

describe.each(["auto", "sse"] as const)("a large result over HTTP (%s)", (answers) => {
  test("comes whole, while another call goes on", async () => {
    const session = await openOverHttp(answers);
    session.send(2, toolCall("big", "big", { bytes: LARGE_BYTES }));
    const answered = session.call(3, ping(3));
    const { payloads, end } = await session.largeResponse(2);
    const text = "x".repeat(LARGE_BYTES);
    expect(JSON.parse(Buffer.concat(payloads).toString())).toEqual({
      jsonrpc: "2.0",
      id: "big",
      result: { content: [{ type: "text", text }] },
    });
    expect(end).toEqual({ exchange: 2, masked: {} });
    expect(await answered).toMatchObject({ id: 3 });
    expect(session.failureOf(2)).toBeUndefined();
  });

  test("is cut off as soon as its stream breaks, and the session goes on", async () => {
    const session = await openOverHttp(answers);
    session.send(2, toolCall(2, "big", { bytes: 10 * LARGE_BYTES }));
    await waitFor(() => [...session.transfers.values()].find(({ bytes }) => bytes > 0));
    session.drop();
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.RESULT_CUT_OFF);
    expect(session.transferOf(2)).toBeUndefined();
    await session.call(3, ping(3));
  });
});
