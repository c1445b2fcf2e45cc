import { parseMessage } from "@drawbridge/mcp";
import { expect, test } from "vitest";
import type { SelfActivation } from "../../access/index.js";
import type { Principal } from "../../identity/index.js";
import type { SeenPrincipals } from "../../policies/index.js";
import type { Target } from "../../targets/index.js";
import { GatewayError } from "../gateway-error.js";
import type { SessionAccess } from "./session-access.js";
import { SessionOpening, type WantedSession } from "./session-opening.js";
import type { SessionStorage } from "./session-storage.js";
import type { SessionsService } from "./sessions.service.js";

const message = parseMessage(
  Buffer.from('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}'),
);
const wantedBy = (id: string) =>
  ({
    principal: { id, groups: [] } as unknown as Principal,
    target: {} as Target,
    message,
    key: id,
    era: "legacy",
  }) as unknown as WantedSession;

/** A database whose transactions stay open until they are told to end. */
function opening(): { opening: SessionOpening; underWay: (() => void)[] } {
  const underWay: (() => void)[] = [];
  const database = {
    transaction: () => new Promise<boolean>((resolve) => underWay.push(() => resolve(false))),
  };
  const storage = { database } as unknown as SessionStorage;
  const [sessions, seen] = [{} as SessionsService, {} as SeenPrincipals];
  const [access, activation] = [{} as SessionAccess, {} as SelfActivation];
  return { opening: new SessionOpening(storage, sessions, seen, access, activation), underWay };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("whoever opens many sessions at once takes one connection of the database, and others theirs", async () => {
  const { opening: sessions, underWay } = opening();
  const opened = Array.from({ length: 20 }, () => sessions.open(wantedBy("alice")));
  await settled();
  expect(underWay.length).toBe(1);
  opened.push(sessions.open(wantedBy("bob")));
  await settled();
  expect(underWay.length).toBe(2);
  for (let count = 0; count < 21; count += 1) {
    underWay[count]?.();
    await settled();
  }
  expect(await Promise.all(opened)).toHaveLength(21);
});

test("what waits is bounded, and makes room when it was its turn", async () => {
  const { opening: sessions, underWay } = opening();
  const opened = Array.from({ length: 100 }, () => sessions.open(wantedBy("alice")));
  await settled();
  await expect(sessions.open(wantedBy("alice"))).rejects.toThrow(GatewayError);
  underWay[0]?.();
  await opened[0];
  const another = sessions.open(wantedBy("alice"));
  for (let count = 1; count < 101; count += 1) {
    underWay[count]?.();
    await settled();
  }
  await expect(another).resolves.toBeUndefined();
});
