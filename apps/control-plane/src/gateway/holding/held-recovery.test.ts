import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Approvals } from "../../approvals/index.js";
import type { Clock } from "../../platform/clock.js";
import { RecordingReader, RecordingRecovery, RecordingWriter } from "../../recordings/index.js";
import { RecordingEventsRepository, RecordingsRepository } from "../../recordings/fakes/index.js";
import { GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";
import { HeldRecovery } from "./held-recovery.js";

let gateway: GatewayUnderTest;
let held: HeldGateway;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  held = new HeldGateway(gateway);
});
afterAll(() => gateway?.stop());
afterEach(() => held.forget());

/** That of a control plane which starts in a while, and finds what is here left behind. */
function laterRecovery(): RecordingRecovery {
  const later = { now: () => new Date(Date.now() + 3_600_000) } as Clock;
  const recovery = new RecordingRecovery(
    gateway.get(RecordingEventsRepository),
    gateway.get(RecordingsRepository),
    gateway.get(RecordingWriter),
    later,
    gateway.config,
  );
  new HeldRecovery(recovery, gateway.get(Approvals), gateway.get(RecordingReader)).onModuleInit();
  return recovery;
}

/** A call of which it is written down that it may run, and whose control plane stops there. */
async function diesAround(consume: (take: Approvals["consume"]) => Approvals["consume"]) {
  held.hurry();
  const session = await gateway.openSession("shop");
  const approvals = gateway.get(Approvals);
  const take = approvals.consume.bind(approvals);
  approvals.consume = consume(take);
  const answering = gateway
    .post("shop", toolCall(2, "destroy", { n: 1 }), { session })
    .catch(() => undefined);
  const { id, session_id: recording } = await held.approval();
  await held.approve(id);
  const number = async () => Number((await held.approvals())[0]?.exchange);
  await expect.poll(async () => held.events(recording, await number()), PATIENT).toContain("decision allow");
  const exchange = await number();
  const sweep = async () => {
    await laterRecovery().sweep();
    return (await held.events(recording, exchange)).at(-1);
  };
  return { id, take, answering, approvals, sweep };
}

test("what had not taken its approval when its control plane died was not sent", async () => {
  const { id, sweep, take, approvals } = await diesAround(() => () => new Promise(() => undefined));
  expect(await sweep()).toBe("decision allow");
  await approvals.cancel(id, "its caller has left");
  expect(await sweep()).toBe("not_sent");
  approvals.consume = take;
});

test("of what had taken it nobody knows", async () => {
  const { sweep, take, approvals } = await diesAround((really) => async (...about) => {
    await really(...about);
    return new Promise(() => undefined);
  });
  await expect.poll(async () => (await held.approvals())[0]?.state, PATIENT).toBe("consumed");
  expect(await sweep()).toBe("outcome_unknown");
  approvals.consume = take;
});
