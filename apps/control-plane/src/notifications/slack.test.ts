import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DENY_ACTION, OPEN_ACTION, slackMessage } from "./channels/slack.js";
import { HttpReceiver } from "./fakes/http-receiver.js";
import { NotificationsUnderTest } from "./fakes/notifications-under-test.js";
import { noticeOf } from "./notice.js";

let notifications: NotificationsUnderTest;
const slack = new HttpReceiver();
const SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

beforeAll(async () => {
  await slack.start();
  notifications = await NotificationsUnderTest.start({ DRAWBRIDGE_NOTIFY_ALLOW: "127.0.0.1" });
});
beforeEach(async () => {
  await notifications.clear();
  await notifications.platform.admin.query("delete from lock");
  slack.reset();
});
afterAll(async () => {
  await notifications.stop();
  slack.stop();
});

interface Button {
  readonly action_id: string;
  readonly value?: string;
  readonly url?: string;
}
interface Message {
  readonly text: string;
  readonly blocks: { type: string; text?: { text: string }; elements?: Button[] }[];
}

const channel = (more: object = {}) =>
  notifications.apply({
    kind: "slack",
    webhookUrl: slack.url("/services/hook"),
    signingSecret: SIGNING_SECRET,
    users: { U_ADA: "ada" },
    ...more,
  });

/** An approval that waits, told to Slack. */
async function told(approval = randomUUID()) {
  const preview = '{"sql":"delete from orders"}';
  notifications.approvals.known.set(approval, { state: "pending", preview, email: undefined });
  const data = { principal: "eve", target: "shop" };
  await notifications.happens({ kind: "approval.requested", subject: approval, data });
  await notifications.settle();
  const message = JSON.parse(slack.received.at(-1)?.body ?? "{}") as Message;
  const buttons = message.blocks.flatMap(({ elements = [] }) => elements);
  const button = (id: string) => buttons.find(({ action_id }) => action_id === id);
  return { approval, message, deny: button(DENY_ACTION), open: button(OPEN_ACTION) };
}

async function seen(principal: string, groups: string[], hoursAgo = 1): Promise<void> {
  await notifications.platform.admin.query(
    "insert into seen_principal (principal, oauth_client, groups, last_seen_at) values ($1, 'cli', $2, $3)",
    [principal, groups, new Date(notifications.clock.at.getTime() - hoursAgo * 3_600_000)],
  );
}

interface Press {
  readonly value: string | undefined;
  readonly user?: string;
  readonly action?: string;
  readonly secret?: string;
  readonly ageMs?: number;
}

/** As Slack sends it. */
function pressed({ value, user = "U_ADA", action = DENY_ACTION, secret = SIGNING_SECRET, ageMs = 0 }: Press) {
  const payload = JSON.stringify({
    type: "block_actions",
    user: { id: user, username: "whatever" },
    response_url: slack.url("/answer"),
    actions: [{ action_id: action, type: "button", value }],
  });
  const body = new URLSearchParams({ payload }).toString();
  const timestamp = String(Math.floor((notifications.clock.at.getTime() - ageMs) / 1_000));
  const signature = createHmac("sha256", secret).update(`v0:${timestamp}:${body}`).digest("hex");
  return {
    body,
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-slack-request-timestamp": timestamp,
      "x-slack-signature": `v0=${signature}`,
    },
  };
}

async function interact(request: { body: string; headers: Record<string, string> }): Promise<number> {
  const response = await notifications.api.fetch("nobody", "/api/v1/slack/interactions", {
    method: "POST",
    ...request,
  });
  await response.arrayBuffer();
  return response.status;
}

const press = (what: Press) => interact(pressed(what));

/** What whoever pressed is told. */
async function answer(): Promise<{ text: string; response_type: string }> {
  await expect
    .poll(() => slack.received.some(({ path }) => path === "/answer"), { timeout: 5_000 })
    .toBe(true);
  return JSON.parse(slack.received.find(({ path }) => path === "/answer")?.body ?? "") as {
    text: string;
    response_type: string;
  };
}

describe("a message to Slack", () => {
  test("shows what would run, a link to open and a button that denies, and none that approves", async () => {
    await channel();
    const { approval, message, deny, open } = await told();
    expect(slack.received[0]?.path).toBe("/services/hook");
    expect(JSON.stringify(message)).toContain("delete from orders");
    expect(open?.url).toBe(`${notifications.platform.config.publicUrl}/approvals/${approval}`);
    // Neither who it is about nor what it is can be read of it or made up.
    expect(deny?.value).toMatch(/^[\w-]{100,}$/);
    expect(deny?.value).not.toContain(approval);
    expect(message.blocks.flatMap(({ elements = [] }) => elements)).toHaveLength(2);
  });

  test("has no button where nobody could be told by it, or nothing waits any more", async () => {
    await channel({ signingSecret: undefined });
    expect((await told()).deny).toBeUndefined();
    await channel({ users: undefined });
    expect((await told()).deny).toBeUndefined();
    await channel();
    const approval = randomUUID();
    notifications.approvals.known.set(approval, { state: "denied", preview: "{}", email: undefined });
    await notifications.happens({ kind: "approval.denied", subject: approval });
    await notifications.settle();
    expect(slack.received.at(-1)?.body).not.toContain(DENY_ACTION);
  });

  test("holds what others wrote as text: no mention, no link, no end of the code comes of it", () => {
    const hostile = "<!channel> <@U123> <https://evil.example|click> ```\n*bold* &lt; </pre>";
    const notice = noticeOf(
      {
        id: "1",
        kind: "approval.requested",
        subject: "1",
        event: { at: "now", data: { target: hostile, "<!here>": hostile, reason: hostile } },
      },
      { state: "pending", preview: hostile, email: hostile },
      "https://gate.example",
    );
    const { blocks, text } = slackMessage(notice, undefined);
    const texts = JSON.stringify([blocks, text]);
    expect(texts).not.toMatch(/[<>]/);
    expect(texts.replaceAll(/&(?:amp|lt|gt);/g, "")).not.toContain("&");
    const code = blocks
      .map((block) => ("text" in block ? block.text.text : ""))
      .find((said) => said.startsWith("```"));
    expect(code?.match(/```/g)).toHaveLength(2);
    expect(code?.endsWith("```")).toBe(true);
  });

  test("stays within what Slack takes, however long what it tells is", () => {
    const long = "<&>\u{1F600}".repeat(5_000);
    const data = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, long]));
    const delivery = { id: "1", kind: long, subject: long, event: { at: "now", data } };
    const notice = noticeOf(
      delivery,
      { state: "pending", preview: long, email: long },
      "https://gate.example",
    );
    const { blocks } = slackMessage(notice, "v");
    const texts = blocks.flatMap((block) => ("text" in block ? [block.text.text.length] : []));
    const fields = blocks.flatMap((block) => ("fields" in block ? block.fields : []));
    expect(texts[0]).toBeLessThanOrEqual(150);
    expect(Math.max(...texts)).toBeLessThanOrEqual(3_000);
    expect(fields).toHaveLength(10);
    expect(Math.max(...fields.map(({ text }) => text.length))).toBeLessThanOrEqual(2_000);
    expect(JSON.stringify(blocks).isWellFormed()).toBe(true);
  });
});

describe("the button that denies", () => {
  test("denies for the principal that the channel says who pressed it is, with the groups last seen", async () => {
    await channel();
    await seen("ada", ["dba", "staff"]);
    const { approval, deny } = await told();
    expect(await press({ value: deny?.value })).toBe(200);
    expect(notifications.approvals.denied).toMatchObject([
      {
        id: approval,
        comment: "denied from Slack",
        principal: { id: "ada", groups: ["dba", "staff"], identities: ["sub:ada"], signedInAt: undefined },
      },
    ]);
    expect(await answer()).toMatchObject({
      response_type: "ephemeral",
      text: "Denied. Whoever asked is told.",
    });
  });

  test("does nothing for people the channel does not name, who are told so", async () => {
    await channel();
    const { deny } = await told();
    for (const user of ["U_EVE", "__proto__", "constructor"]) {
      slack.received.length = 0;
      expect(await press({ value: deny?.value, user })).toBe(200);
      expect((await answer()).text).toContain("does not know who you are");
    }
    expect(notifications.approvals.denied).toEqual([]);
  });

  test("does nothing for people who were not seen today: their groups may be others by now", async () => {
    await channel();
    const { deny } = await told();
    expect(await press({ value: deny?.value })).toBe(200);
    expect((await answer()).text).toContain("Sign in once");
    await seen("ada", ["dba"], 25);
    expect(await press({ value: deny?.value, ageMs: 1_000 })).toBe(200);
    expect(notifications.approvals.denied).toEqual([]);
  });

  test("does nothing for people who may not, and tells them why", async () => {
    await channel();
    await seen("ada", ["staff"]);
    const { deny } = await told();
    expect(await press({ value: deny?.value })).toBe(200);
    expect((await answer()).text).toContain("only people of dba decide about this");
  });

  test("does nothing for people who are locked", async () => {
    await channel();
    await seen("ada", ["dba"]);
    const { deny } = await told();
    await notifications.platform.admin.query(
      `insert into lock (id, kind, subject, reason, created_by) values (gen_random_uuid(), 'principal', 'ada', 'gone', 'root')`,
    );
    expect(await press({ value: deny?.value })).toBe(200);
    expect((await answer()).text).toContain("locked out");
    expect(notifications.approvals.denied).toEqual([]);
  });

  test("of opening the link does nothing here", async () => {
    await channel();
    await seen("ada", ["dba"]);
    const { open } = await told();
    expect(await press({ value: open?.value, action: OPEN_ACTION })).toBe(200);
    expect(notifications.approvals.denied).toEqual([]);
  });
});

describe("what comes as if from Slack is refused", () => {
  test("when it is signed with another secret, or not at all", async () => {
    await channel();
    await seen("ada", ["dba"]);
    const { deny } = await told();
    expect(await press({ value: deny?.value, secret: "another-secret-of-somebody" })).toBe(401);
    const { body, headers } = pressed({ value: deny?.value });
    expect(await interact({ body, headers: { "content-type": headers["content-type"] } })).toBe(401);
    expect(await interact({ body: `${body}&x=y`, headers })).toBe(401);
    const later = {
      ...headers,
      "x-slack-request-timestamp": `${Number(headers["x-slack-request-timestamp"]) + 1}`,
    };
    expect(await interact({ body, headers: later })).toBe(401);
    expect(notifications.approvals.denied).toEqual([]);
  });

  test("when it is older or newer than five minutes", async () => {
    await channel();
    const { deny } = await told();
    expect(await press({ value: deny?.value, ageMs: 301_000 })).toBe(401);
    expect(await press({ value: deny?.value, ageMs: -301_000 })).toBe(401);
    expect(await press({ value: deny?.value, ageMs: 290_000 })).toBe(200);
  });

  test("when it came before", async () => {
    await channel();
    await seen("ada", ["dba"]);
    const { deny } = await told();
    const request = pressed({ value: deny?.value });
    expect(await interact(request)).toBe(200);
    expect(await interact(request)).toBe(409);
    expect(notifications.approvals.denied).toHaveLength(1);
  });

  test("when its value was not made here, or is of a channel with another secret", async () => {
    await channel();
    await seen("ada", ["dba"]);
    await told();
    for (const value of [undefined, "", randomUUID(), "A".repeat(200)])
      expect(await press({ value })).toBe(401);
    await channel({
      name: "theirs",
      signingSecret: "the-secret-of-another-workspace",
      events: ["approval.requested"],
    });
    await notifications.request("root", "DELETE", "notification-channels/ops");
    const { deny } = await told();
    expect(await press({ value: deny?.value })).toBe(401);
    expect(await press({ value: deny?.value, secret: "the-secret-of-another-workspace" })).toBe(200);
  });

  test("when the channel is off or gone, or the button is older than a week", async () => {
    await channel();
    const { deny } = await told();
    await channel({ enabled: false });
    expect(await press({ value: deny?.value })).toBe(401);
    await channel();
    expect(await press({ value: deny?.value })).toBe(200);
    notifications.clock.advance(8 * 86_400_000);
    expect(await press({ value: deny?.value })).toBe(401);
    await notifications.request("root", "DELETE", "notification-channels/ops");
    expect(await press({ value: deny?.value })).toBe(401);
  });

  test("when it is of another type, too large, or no message of a button", async () => {
    const { body, headers } = pressed({ value: "x" });
    expect(await interact({ body, headers: { ...headers, "content-type": "application/json" } })).toBe(400);
    expect(await interact({ body: "payload=%7B", headers })).toBe(401);
    expect(await interact({ body: "x".repeat(65_537), headers })).toBe(413);
  });
});
