import { randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HttpReceiver } from "./fakes/http-receiver.js";
import { NotificationsUnderTest } from "./fakes/notifications-under-test.js";

let notifications: NotificationsUnderTest;
const receiver = new HttpReceiver();

beforeAll(async () => {
  await receiver.start();
  notifications = await NotificationsUnderTest.start({ DRAWBRIDGE_NOTIFY_ALLOW: "127.0.0.1" });
});
beforeEach(async () => {
  await notifications.clear();
  receiver.reset();
});
afterAll(async () => {
  await notifications.stop();
  receiver.stop();
});

const PATH = "notification-channels/ops";
const webhook = (more: object = {}) => ({
  name: "ops",
  kind: "webhook",
  events: ["approval.*"],
  url: "https://hooks.example.test/path-token?key=query-token",
  ...more,
});
const slack = {
  name: "ops",
  kind: "slack",
  events: ["*"],
  webhookUrl: "https://hooks.slack.example/services/T0/B0/path-token",
  signingSecret: "the-signing-secret-of-slack",
  users: { U1: "ada" },
};
const email = {
  name: "ops",
  kind: "email",
  events: ["lock.set"],
  smtpUrl: "smtps://mailer:mail-password@mail.example.test:465",
  from: "gate@example.test",
  to: ["ops@example.test"],
};
const SECRETS = /path-token|query-token|whsec_[^ ]{8}|the-signing-secret|mail-password/;

const put = (document: object, as = "root") => notifications.request(as, "PUT", PATH, document);

async function auditedApplications(): Promise<number> {
  const { rows } = await notifications.platform.admin.query<{ count: string }>(
    "select count(*) from audit_event where action = 'notification_channel.applied'",
  );
  return Number(rows[0]?.count);
}

describe("a channel", () => {
  test.each([
    ["webhook", webhook(), "https://hooks.example.test"],
    ["slack", slack, "https://hooks.slack.example"],
    ["email", email, "ops@example.test"],
  ])(
    "of the kind %s is read back without its secrets, which are sealed",
    async (kind, document, destination) => {
      const { status, body } = await put(document);
      expect(status).toBe(200);
      expect(body).toMatchObject({ name: "ops", kind, destination, enabled: true, createdBy: "root" });
      const read = await notifications.request("olga", "GET", PATH);
      const list = await notifications.request("olga", "GET", "notification-channels");
      expect((list.body["items"] as unknown[])[0]).toEqual(read.body);
      const { rows } = await notifications.platform.admin.query(
        `select settings::text, events::text, encode(sealed, 'escape') as sealed from notification_channel`,
      );
      const audit = await notifications.platform.admin.query("select details::text from audit_event");
      for (const seen of [read.body, rows, audit.rows]) expect(JSON.stringify(seen)).not.toMatch(SECRETS);
    },
  );

  test("is applied as often as one likes: the same document changes nothing", async () => {
    const before = await auditedApplications();
    const first = await put(slack);
    const again = await put(slack);
    expect(again.body).toEqual(first.body);
    expect(await auditedApplications()).toBe(before + 1);
    await put({ ...slack, events: ["lock.set"] });
    expect(await auditedApplications()).toBe(before + 2);
  });

  test("gets a secret that is shown once and kept, by which its messages are signed", async () => {
    const { body } = await put(webhook({ url: receiver.url(), events: ["*"] }));
    const secret = String(body["secret"]);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const again = await put(webhook({ url: receiver.url("/other"), events: ["*"] }));
    expect(again.body["secret"]).toBeUndefined();
    await notifications.happens();
    await notifications.settle();
    const [message] = receiver.received;
    expect(message?.path).toBe("/other");
    expect(() =>
      new Webhook(secret).verify(message?.body ?? "", message?.headers as Record<string, string>),
    ).not.toThrow();
  });

  test("that was deleted while something was put into the outbox for it leaves nothing that is tried for ever", async () => {
    const [left, count] = [randomUUID(), "select count(*)::int as left from notification_delivery"];
    const now = notifications.clock.now();
    await notifications.platform.admin.query(
      `insert into notification_delivery (id, channel_id, event_id, kind, subject, payload, next_attempt_at, created_at)
       values (gen_random_uuid(), $1, 1, 'lock.set', 'x', '{"at":"2026-11-23T00:00:00Z","data":{}}', $2, $2)`,
      [left, now],
    );
    await notifications.settle();
    expect((await notifications.platform.admin.query(count)).rows).toEqual([{ left: 0 }]);
  });

  test("is deleted with all that was to be sent to it, and is made anew by another document", async () => {
    await put(webhook({ url: "http://127.0.0.1:1/" }));
    await notifications.happens({ kind: "approval.requested" });
    await notifications.settle();
    expect(await notifications.deliveries()).toHaveLength(1);
    expect((await notifications.request("root", "DELETE", PATH)).status).toBe(204);
    expect((await notifications.request("root", "DELETE", PATH)).status).toBe(204);
    expect((await notifications.request("root", "GET", PATH)).body["code"]).toBe(
      "notification_channel_not_found",
    );
    expect(await notifications.deliveries()).toEqual([]);
    expect((await put(email)).body["kind"]).toBe("email");
  });

  test.each([
    ["another name than its address", webhook({ name: "other" }), 422],
    ["a user name in its URL", webhook({ url: "https://user:pw@hooks.example.test/" }), 422],
    ["a URL of another protocol", webhook({ url: "ftp://hooks.example.test/" }), 400],
    ["a secret that is none", webhook({ secret: "short" }), 400],
    ["an event that there is not", webhook({ events: ["approval.eaten"] }), 400],
    ["no events", webhook({ events: [] }), 400],
    ["a field that there is not", webhook({ verify: false }), 400],
    ["a line break in an address", { ...email, to: ["a@example.test\r\nBcc: b@example.test"] }, 400],
    ["a line break in the sender", { ...email, from: "a@example.test\nBcc: b@example.test" }, 400],
    ["an SMTP URL that wants something else", { ...email, smtpUrl: "smtp://mail.example.test?tls=no" }, 422],
    ["an SMTP URL without a host", { ...email, smtpUrl: "smtp:mail" }, 422],
    ["an SMTP user that cannot be decoded", { ...email, smtpUrl: "smtp://%zz@mail.example.test" }, 422],
  ])("is refused with %s", async (_what, document, status) => {
    const answer = await put(document);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).not.toMatch(SECRETS);
  });

  test("is for administrators to change, for operators to see, and for nobody else", async () => {
    await put(webhook());
    expect((await put(webhook(), "olga")).status).toBe(403);
    expect((await notifications.request("olga", "DELETE", PATH)).status).toBe(403);
    expect((await notifications.request("olga", "POST", `${PATH}/test`)).status).toBe(403);
    expect((await notifications.request("olga", "GET", PATH)).status).toBe(200);
    for (const path of [PATH, "notification-channels", "notification-deliveries"])
      expect((await notifications.request("alice", "GET", path)).status).toBe(403);
  });
});

describe("a test of a channel", () => {
  test("sends a message that says so, and its delivery shows how it went", async () => {
    await put(webhook({ url: receiver.url(), events: ["lock.set"] }));
    const { status, body } = await notifications.request("root", "POST", `${PATH}/test`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ channel: "ops", event: "test", state: "pending", attempts: 0 });
    await notifications.api.jobs.runLater("notification", String(body["id"]));
    await notifications.settle();
    expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
      type: "test",
      data: { by: "root" },
    });
    expect(await notifications.deliveries("?channel=ops&state=delivered")).toMatchObject([
      { id: body["id"] },
    ]);
  });

  test("of a channel that there is not is refused", async () => {
    expect((await notifications.request("root", "POST", `${PATH}/test`)).status).toBe(404);
  });
});

test("deliveries are listed newest first, in pages, by state and channel", async () => {
  await put(webhook({ url: receiver.url(), events: ["*"] }));
  for (let n = 0; n < 5; n++) {
    await notifications.happens({ subject: String(n) });
    await notifications.settle();
  }
  const page = async (query: string) => {
    const { body } = await notifications.request("olga", "GET", `notification-deliveries?${query}`);
    const items = body["items"] as { subject: string }[];
    return { subjects: items.map(({ subject }) => subject), cursor: String(body["nextCursor"]) };
  };
  const first = await page("limit=3");
  expect(first.subjects).toEqual(["4", "3", "2"]);
  expect((await page(`limit=3&cursor=${first.cursor}`)).subjects).toEqual(["1", "0"]);
  expect((await page("state=dead")).subjects).toEqual([]);
  const unknown = await notifications.request("olga", "GET", "notification-deliveries?channel=other");
  expect(unknown.status).toBe(404);
});
