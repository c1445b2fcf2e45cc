import { expect, test } from "vitest";
import { testSession } from "../fakes/test-session.js";
import type { ModernSessions } from "../sessions/modern-sessions.js";
import type { SessionsService } from "../sessions/sessions.service.js";
import type { ClientTraffic } from "../traffic/client-traffic.js";
import { ModernEndpoint } from "./modern-endpoint.js";

test("whoever does not read that a subscription ends keeps neither others nor the end of the process waiting", async () => {
  const [stalled, failing, reading] = ["1", "2", "3"].map((id) => testSession({ id, era: "modern" }));
  const told: unknown[] = [];
  const endings = new Map([
    [stalled, () => new Promise<void>(() => undefined)],
    [failing, () => Promise.reject(new Error("no connection"))],
    [reading, async () => void told.push(reading)],
  ]);
  const sessions = {
    all: [stalled, failing, reading],
    trafficOf: (session: typeof stalled) => ({ endings: { endSubscriptions: endings.get(session) } }),
  };
  const known = { leave: async () => void told.push("left") };
  const endpoint = new ModernEndpoint(
    sessions as unknown as SessionsService,
    known as unknown as ModernSessions,
    {} as ClientTraffic,
  );
  await endpoint.close();
  expect(told).toEqual([reading, "left"]);
});
