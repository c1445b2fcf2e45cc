import { initialize, ping, toolCall } from "@drawbridge/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { cleanUpAfterEach } from "../fakes/agent-bench.js";
import { buildAgent } from "../fakes/agent-process.js";
import { stdioTarget, stdioTargetWith } from "../fakes/agent-under-test.js";
import { EXPORT_SERVER, maskedExport } from "../fakes/export-server.js";
import { residentMb, startJoined } from "../fakes/process-bench.js";

const LARGE_BYTES = 100_000_000;
const GROWTH_LIMIT_MB = 150;
const PATIENCE_MS = 2_000;
const SETTLED_AFTER_MS = 2_500;

cleanUpAfterEach();
beforeAll(buildAgent, 120_000);

describe("an agent that carries 100 MB", () => {
  test(`grows by less than ${GROWTH_LIMIT_MB} MB, masks all of it and answers others meanwhile`, async () => {
    const script = ["-e", EXPORT_SERVER];
    const { agent, controlPlane } = await startJoined([script]);
    const exporting = await controlPlane.openSession(stdioTargetWith({ arguments: script }));
    exporting.keepsChunks = false;
    await exporting.call(1, initialize(1));
    const other = await controlPlane.openSession(stdioTarget());
    await other.call(1, initialize(1));
    await new Promise((resolve) => setTimeout(resolve, SETTLED_AFTER_MS));
    const idleMb = residentMb(agent);

    const started = performance.now();
    let isDone = false;
    exporting.send(2, toolCall(2, "export", { bytes: LARGE_BYTES }));
    const carried = exporting.largeResponse(2, 120_000).finally(() => (isDone = true));
    const waits: number[] = [];
    let mostMb = 0;
    for (let exchange = 2; !isDone; exchange++) {
      const asked = performance.now();
      await other.call(exchange, ping(exchange));
      waits.push(performance.now() - asked);
      mostMb = Math.max(mostMb, residentMb(agent));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const transfer = await carried;

    const seconds = (performance.now() - started) / 1_000;
    const longest = Math.max(...waits);
    console.log(
      `100 MB in ${seconds.toFixed(1)} s: agent from ${idleMb.toFixed(0)} to ${mostMb.toFixed(0)} MB RSS; ` +
        `${waits.length} pings of another session meanwhile, the longest ${longest.toFixed(0)} ms`,
    );
    const { digest, tokens } = maskedExport(2, LARGE_BYTES);
    expect(transfer.hash.digest("hex")).toBe(digest);
    expect(Object.values(transfer.end?.masked ?? {})).toEqual([tokens]);
    expect(mostMb - idleMb).toBeLessThan(GROWTH_LIMIT_MB);
    expect(waits.length).toBeGreaterThan(10);
    expect(longest).toBeLessThan(PATIENCE_MS);
  }, 180_000);
});
