import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SeenPrincipals } from "../policies/index.js";
import { HttpReceiver } from "./fakes/http-receiver.js";
import { NotificationsUnderTest } from "./fakes/notifications-under-test.js";

let notifications: NotificationsUnderTest;
const slack = new HttpReceiver();
const SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

beforeAll(async () => {
  await slack.start();
  notifications = await NotificationsUnderTest.start(
    { DRAWBRIDGE_NOTIFY_ALLOW: "127.0.0.1" },
    { real: true },
  );
});
afterAll(async () => {
  await notifications.stop();
  slack.stop();
});

/** An operation that waits for one of dba. */
async function held(): Promise<string> {
  const id = randomUUID();
  const now = notifications.clock.at;
  const later = new Date(now.getTime() + 600_000);
  const review = { from: [{ group: "dba", count: 1 }], expiresIn: 600_000, onExpiry: "deny" };
  await notifications.platform.admin.query(
    `insert into approval (id, session_id, exchange, principal, identities, oauth_client, target_id, target_name,
       method, name, requested_digest, sealed, preview, policy, policy_version, rule, reason, review, created_at,
       expires_at, present_until)
     select $1, gen_random_uuid(), 1, 'eve', '{sub:eve}', 'cli', gen_random_uuid(), 'shop', 'tools/call',
       'execute_sql', '\\x01', '\\x02', $2, 'p', 1, 'r', 'writes are asked for', $3, $4, $5, $5`,
    [id, Buffer.from('{"sql":"delete from orders"}'), JSON.stringify(review), now, later],
  );
  await notifications.happens({ kind: "approval.requested", subject: id, data: { target: "shop" } });
  await notifications.settle();
  return id;
}

async function pressDeny(user: string): Promise<number> {
  const sent = slack.received.findLast(({ path }) => path === "/hook")?.body ?? "";
  const value = /"action_id":"drawbridge_deny".*?"value":"([^"]+)"/.exec(sent)?.[1];
  const payload = JSON.stringify({
    type: "block_actions",
    user: { id: user },
    response_url: slack.url("/answer"),
    actions: [{ action_id: "drawbridge_deny", value }],
  });
  const body = new URLSearchParams({ payload }).toString();
  const timestamp = String(Math.floor(notifications.clock.at.getTime() / 1_000));
  const signature = createHmac("sha256", SIGNING_SECRET).update(`v0:${timestamp}:${body}`).digest("hex");
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    "x-slack-request-timestamp": timestamp,
    "x-slack-signature": `v0=${signature}`,
  };
  const init = { method: "POST", body, headers };
  return (await notifications.api.fetch("nobody", "/api/v1/slack/interactions", init)).status;
}

async function rows<Row>(sql: string, ...values: unknown[]): Promise<Row[]> {
  return (await notifications.platform.admin.query(sql, values)).rows as Row[];
}

test("a held call is denied from Slack by whoever may, and by nobody else, not even by who asked", async () => {
  await notifications.apply({
    kind: "slack",
    events: ["approval.requested"],
    webhookUrl: slack.url("/hook"),
    signingSecret: SIGNING_SECRET,
    users: { U_ADA: "ada", U_BOB: "bob", U_EVE: "eve", U_EVE2: "eve-2" },
  });
  const seenAt = new Date(notifications.clock.at.getTime() - 3_600_000);
  for (const [who, groups] of [
    ["ada", ["dba"]],
    ["bob", ["staff"]],
    ["eve", ["dba"]],
    ["eve-2", ["dba"]],
  ] as const) {
    await rows(
      "insert into seen_principal (principal, oauth_client, groups, last_seen_at) values ($1, 'cli', $2, $3)",
      who,
      groups,
      seenAt,
    );
  }
  await rows("update seen_principal set identities = '{person:eve}' where principal like 'eve%'");
  const id = await held();
  expect(slack.received[0]?.body).toContain("delete from orders");
  const stateOf = async () =>
    (
      await rows<{ state: string; sealed: unknown }>("select state, sealed from approval where id = $1", id)
    )[0];

  for (const user of ["U_BOB", "U_EVE", "U_EVE2"]) {
    expect(await pressDeny(user)).toBe(200);
    expect((await stateOf())?.state).toBe("pending");
  }
  expect(await pressDeny("U_ADA")).toBe(200);
  expect(await stateOf()).toEqual({ state: "denied", sealed: null });

  await notifications.get(SeenPrincipals).settled();
  // It says nothing new about whose groups are which.
  expect(await rows("select oauth_client, last_seen_at from seen_principal where principal = 'ada'")).toEqual(
    [{ oauth_client: "cli", last_seen_at: seenAt }],
  );
});
