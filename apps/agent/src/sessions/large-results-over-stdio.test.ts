import { ExchangeFailure } from "@drawbridge/protocol";
import { eventually, initialize, ping, toolCall } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { cleanUpAfterEach, startBench } from "../fakes/agent-bench.js";
import { allowingScript, stdioTargetWith } from "../fakes/agent-under-test.js";
import { EXPORT_SERVER, maskedExport } from "../fakes/export-server.js";
import type { FakeControlPlane, FakeSession } from "../fakes/fake-control-plane.js";
import { waitFor } from "../fakes/wait-for.js";

cleanUpAfterEach();

const LARGE_BYTES = 6_000_000;

async function openExporting(): Promise<FakeSession> {
  return (await startExporting()).session;
}

async function startExporting(): Promise<{ controlPlane: FakeControlPlane; session: FakeSession }> {
  const { controlPlane } = await startBench(allowingScript(EXPORT_SERVER));
  const session = await controlPlane.openSession(stdioTargetWith({ arguments: ["-e", EXPORT_SERVER] }));
  await session.call(1, initialize(1));
  return { controlPlane, session };
}

describe("a large result over stdio", () => {
  test("comes masked and byte for byte, while another call goes on", async () => {
    const session = await openExporting();
    session.send(2, toolCall("the export", "export", { bytes: LARGE_BYTES }));
    const transfer = await session.largeResponse(2);
    const { digest, tokens } = maskedExport("the export", LARGE_BYTES);
    expect(transfer.hash.digest("hex")).toBe(digest);
    expect(Object.values(transfer.end?.masked ?? {})).toEqual([tokens]);
    expect(transfer.largestChunk).toBe(256 * 1024);
    await session.call(3, ping(3));
  });

  test("whose stream breaks on the way is cut off, and the session goes on", async () => {
    const session = await openExporting();
    session.send(2, toolCall(2, "export", { bytes: 2 * LARGE_BYTES, pauseMs: 1_500 }));
    await waitFor(() => [...session.transfers.values()].find(({ bytes }) => bytes > 0));
    session.drop();
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.RESULT_CUT_OFF);
    expect(session.transferOf(2)).toBeUndefined();
    await session.call(3, ping(3));
    session.send(4, toolCall(4, "export", { bytes: LARGE_BYTES }));
    const again = await session.largeResponse(4);
    expect(again.hash.digest("hex")).toBe(maskedExport(4, LARGE_BYTES).digest);
  });

  test("arrives before its session moves to a new connection", async () => {
    const { controlPlane, session } = await startExporting();
    session.send(2, toolCall(2, "export", { bytes: 2 * LARGE_BYTES, pauseMs: 1_500 }));
    await waitFor(() => [...session.transfers.values()].find(({ bytes }) => bytes > 0));
    (await controlPlane.connection()).send({ $case: "drain", value: {} });
    await waitFor(() => controlPlane.connections[1]);
    // The new stream says at once that the end may have been lost; a control plane hears the old one out first.
    const transfer = await waitFor(() => session.transferOf(2), 20_000);
    expect(transfer.hash.digest("hex")).toBe(maskedExport(2, 2 * LARGE_BYTES).digest);
    await waitFor(() => session.attaches[1]);
    expect(session.attaches[1]).toMatchObject({ resumed: true, epoch: 2 });
    await session.call(3, ping(3));
  });

  test("does not keep a session from a new connection when its stream breaks", async () => {
    const { controlPlane, session } = await startExporting();
    session.send(2, toolCall(2, "export", { bytes: 2 * LARGE_BYTES, pauseMs: 60_000 }));
    await waitFor(() => [...session.transfers.values()].find(({ bytes }) => bytes > 0));
    (await controlPlane.connection()).send({ $case: "drain", value: {} });
    await waitFor(() => controlPlane.connections[1]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(session.attaches).toHaveLength(1);
    session.drop();
    await waitFor(() => session.attaches[1]);
    expect(session.attaches[1]).toMatchObject({ resumed: true, epoch: 2 });
  });

  test("whose target dies on the way leaves its outcome unknown, and what came of it is void", async () => {
    const session = await openExporting();
    session.send(2, toolCall(2, "export", { bytes: 2 * LARGE_BYTES, crash: true }));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect(await session.ended()).toContain("exited with code 3");
    expect([...session.transfers.values()]).toMatchObject([{ aborted: true }]);
    expect(session.transferOf(2)).toBeUndefined();
  });

  test("waits on the target's side while the control plane does not read", async () => {
    const session = await openExporting();
    session.keepsChunks = false;
    await session.call(2, ping(2));
    session.stopReading();
    const before = process.memoryUsage().rss;
    session.send(3, toolCall(3, "export", { bytes: 60_000_000 }));
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(process.memoryUsage().rss - before).toBeLessThan(80_000_000);
    session.read();
    const { digest } = maskedExport(3, 60_000_000);
    expect((await session.largeResponse(3, 60_000)).hash.digest("hex")).toBe(digest);
  });

  test("of a session that is closed on the way leaves nothing behind", async () => {
    const session = await openExporting();
    session.send(2, toolCall(2, "export", { bytes: 2 * LARGE_BYTES, pauseMs: 60_000 }));
    await waitFor(() => [...session.transfers.values()].find(({ bytes }) => bytes > 0));
    session.close();
    await eventually(() => !session.isAttached, { timeoutMs: 8_000 });
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect([...session.transfers.values()]).toMatchObject([{ aborted: true }]);
  });
});
