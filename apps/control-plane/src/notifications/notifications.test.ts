import { randomUUID } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AuditLog } from "../audit/index.js";
import { TestJobs } from "../platform/fakes/test-jobs.js";
import { Database } from "../platform/database.js";
import { HttpReceiver } from "./fakes/http-receiver.js";
import { NotificationsUnderTest } from "./fakes/notifications-under-test.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import { type Attempt, NotificationDeliveriesRepository } from "./notification-deliveries.repository.js";
import { NotificationDispatcher } from "./notification-dispatcher.js";
import { NotificationOutcomes } from "./notification-outcomes.js";
import { NotificationSender } from "./notification-sender.js";
import { NotificationSending } from "./notification-sending.js";
import { NotificationTimes } from "./notification-times.js";

let notifications: NotificationsUnderTest;
const receiver = new HttpReceiver();
const SECRET = `whsec_${Buffer.from("a secret of 24 bytes.....").toString("base64")}`;

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

const webhook = (more: object = {}) =>
  notifications.apply({ kind: "webhook", url: receiver.url(), secret: SECRET, ...more });

const bodies = () => receiver.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const ids = () => receiver.received.map(({ headers }) => headers["webhook-id"]);
const subjects = () => bodies().map(({ data }) => (data as { subject: string }).subject);

/** Another process with the same database: its own sender, of which some parts may fail. */
function anotherSender(deliveries = notifications.get(NotificationDeliveriesRepository)): NotificationSender {
  const jobs = new TestJobs().jobs;
  const channels = notifications.get(NotificationChannelsRepository);
  const outcomes = new NotificationOutcomes(
    notifications.get(Database),
    deliveries,
    channels,
    notifications.get(AuditLog),
    new NotificationTimes(notifications.clock, jobs),
  );
  return new NotificationSender(deliveries, channels, notifications.get(NotificationSending), outcomes, jobs);
}

describe("a webhook", () => {
  test("is a Standard Webhooks message that says what happened", async () => {
    await webhook();
    await notifications.happens({ subject: "l1", data: { kind: "principal", by: "olga", temporary: false } });
    await notifications.settle();
    const [message] = receiver.received;
    if (!message) throw new Error("nothing came");
    const { headers, body } = message;
    expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
      type: "lock.set",
      data: { subject: "l1", kind: "principal", by: "olga", temporary: false },
    });
    expect(() => new Webhook(SECRET).verify(`${body} `, headers as Record<string, string>)).toThrow(
      "signature",
    );
    expect(headers).toMatchObject({ "content-type": "application/json", "user-agent": "drawbridge" });
    expect(await notifications.deliveries()).toMatchObject([
      { channel: "ops", event: "lock.set", subject: "l1", state: "delivered", attempts: 1, lastError: null },
    ]);
  });

  test("of an approval holds the masked preview as it is when it is sent, and where to decide", async () => {
    await webhook();
    const subject = randomUUID();
    const preview = '{"sql":"<script>alert(1)</script> \\u0000 [REDACTED:email]"}';
    notifications.approvals.known.set(subject, { state: "pending", preview, email: "ada@example.test" });
    await notifications.happens({
      kind: "approval.requested",
      subject,
      data: { principal: "ada", target: "shop", reason: "writes are asked for" },
    });
    await notifications.settle();
    expect(bodies()).toMatchObject([
      {
        type: "approval.requested",
        data: {
          subject,
          preview,
          link: `${notifications.platform.config.publicUrl}/approvals/${subject}`,
          reason: "writes are asked for",
        },
      },
    ]);
  });

  test("is sent for the events the channel is for, and for none from before it or while it was off", async () => {
    await notifications.happens({ subject: "before" });
    await notifications.settle();
    await webhook({ events: ["lock.*", "grant.started"] });
    await notifications.happens({ subject: "lock" });
    await notifications.happens({ subject: "session", kind: "session.opened" });
    await notifications.happens({ subject: "grant", kind: "grant.started" });
    await notifications.happens({ subject: "grant-end", kind: "grant.ended" });
    await notifications.settle();
    await webhook({ events: ["lock.*"], enabled: false });
    await notifications.happens({ subject: "off" });
    await notifications.settle();
    await webhook({ events: ["lock.*"] });
    await notifications.settle();
    expect(subjects().toSorted()).toEqual(["grant", "lock"]);
  });

  test("goes to each channel that wants it", async () => {
    await webhook({ name: "one", url: receiver.url("/one") });
    await webhook({ name: "two", url: receiver.url("/two") });
    await notifications.happens();
    await notifications.settle();
    expect(receiver.received.map(({ path }) => path).toSorted()).toEqual(["/one", "/two"]);
    expect(new Set(ids()).size).toBe(2);
  });

  test("to a private address is refused where the operator has not allowed it, and says so", async () => {
    await webhook({ url: `http://127.0.0.2:${receiver.port}/` });
    await notifications.happens();
    await notifications.settle();
    expect(receiver.received).toEqual([]);
    const [delivery] = await notifications.deliveries();
    expect(delivery).toMatchObject({ state: "pending", attempts: 1 });
    expect(delivery?.lastError).toContain("DRAWBRIDGE_NOTIFY_ALLOW");
  });
});

describe("an attempt that fails", () => {
  const fail = (status: number, headers: Record<string, string> = {}) => {
    receiver.answer = (response) => response.writeHead(status, headers).end("secret answer");
  };
  const waitOf = async () => {
    const [delivery] = await notifications.deliveries();
    return Date.parse(delivery?.nextAttemptAt ?? "") - notifications.clock.at.getTime();
  };

  test("is repeated with the same id, later each time, and given up after the seventh", async () => {
    await webhook();
    fail(500);
    await notifications.happens();
    await notifications.settle();
    for (const seconds of [5, 30, 120, 600, 3_600, 14_400]) {
      const wait = await waitOf();
      expect(wait).toBeGreaterThanOrEqual(seconds * 800);
      expect(wait).toBeLessThanOrEqual(seconds * 1_200);
      const before = receiver.received.length;
      notifications.clock.advance(wait - 1);
      await notifications.settle();
      expect(receiver.received).toHaveLength(before);
      notifications.clock.advance(1);
      await notifications.settle();
      expect(receiver.received).toHaveLength(before + 1);
    }
    expect(new Set(ids()).size).toBe(1);
    expect(await notifications.deliveries("?state=dead")).toMatchObject([
      { attempts: 7, lastError: "the receiver answered 500", nextAttemptAt: null },
    ]);
    notifications.clock.advance(30 * 86_400_000);
    await notifications.settle();
    expect(receiver.received).toHaveLength(7);
  });

  test("and was given up is sent when somebody says so, from the first attempt on", async () => {
    await webhook();
    fail(503);
    await notifications.happens();
    for (let n = 0; n < 7; n++) {
      await notifications.settle();
      notifications.clock.advance(6 * 3_600_000);
    }
    const [dead] = await notifications.deliveries("?state=dead");
    if (!dead) throw new Error("it is not dead");
    receiver.reset();
    const path = `notification-deliveries/${dead.id}/retry`;
    expect((await notifications.request("olga", "POST", path)).status).toBe(403);
    expect((await notifications.request("root", "POST", path)).body).toMatchObject({ state: "pending" });
    await notifications.settle();
    expect(ids()).toEqual([dead.id]);
    // What is not dead stays as it is.
    expect((await notifications.request("root", "POST", path)).body).toMatchObject({ state: "delivered" });
    await notifications.settle();
    expect(receiver.received).toHaveLength(1);
    const { rows } = await notifications.platform.admin.query<{ actor: string }>(
      "select actor from audit_event where action = 'notification_delivery.retried'",
    );
    expect(rows).toEqual([{ actor: "root" }]);
  });

  test("is repeated as late as the receiver asks, up to an hour", async () => {
    await webhook();
    fail(429, { "retry-after": "1800" });
    await notifications.happens();
    await notifications.settle();
    expect(await waitOf()).toBe(1_800_000);
    fail(503, { "retry-after": "864000" });
    notifications.clock.advance(1_800_000);
    await notifications.settle();
    expect(await waitOf()).toBe(3_600_000);
  });

  test("because the receiver is gone ends the channel", async () => {
    await webhook();
    fail(410);
    await notifications.happens();
    await notifications.settle();
    const { body } = await notifications.request("olga", "GET", "notification-channels/ops");
    expect(body["enabled"]).toBe(false);
    expect(await notifications.deliveries()).toMatchObject([{ state: "dead", attempts: 1 }]);
    const { rows } = await notifications.platform.admin.query(
      "select actor from audit_event where action = 'notification_channel.disabled'",
    );
    expect(rows).toHaveLength(1);
    // Applying it again enables it.
    receiver.reset();
    await webhook();
    await notifications.happens({ subject: "again" });
    await notifications.settle();
    expect(subjects()).toEqual(["again"]);
  });

  test("because nobody is there tells it without what is secret of the address", async () => {
    await webhook({ url: "http://127.0.0.1:1/hidden-path-token?key=hidden-key" });
    await notifications.happens();
    await notifications.settle();
    const [delivery] = await notifications.deliveries();
    expect(delivery?.lastError).toMatch(/ECONNREFUSED|fetch failed|connect/);
    expect(delivery?.lastError).not.toMatch(/hidden/);
  });

  test("because the receiver does not come to an end is cut after ten seconds, of HTTP and of mail", async () => {
    receiver.answer = () => undefined;
    // A mail server that always has something more to say.
    const drips: NodeJS.Timeout[] = [];
    const dripping = createServer((socket) => {
      socket.on("error", () => undefined);
      drips.push(setInterval(() => socket.write("220-wait\r\n"), 500));
    });
    await new Promise<void>((resolve) => dripping.listen(0, "127.0.0.1", resolve));
    const { port } = dripping.address() as AddressInfo;
    await webhook();
    await notifications.apply({
      name: "mail",
      kind: "email",
      smtpUrl: `smtp://127.0.0.1:${port}?tls=off`,
      from: "gate@example.test",
      to: ["ops@example.test"],
    });
    await notifications.happens();
    const began = Date.now();
    await notifications.settle();
    expect(Date.now() - began).toBeLessThan(15_000);
    const tried = await notifications.deliveries("?state=pending");
    expect(tried.map(({ attempts }) => attempts)).toEqual([1, 1]);
    for (const { lastError } of tried) expect(lastError).toMatch(/within 10 s|Greeting never received/);
    for (const drip of drips) clearInterval(drip);
    dripping.close();
  });

  test("of one channel does not keep the others waiting", async () => {
    const answers: (() => void)[] = [];
    await webhook({ name: "slow", url: receiver.url("/slow") });
    receiver.answer = (response, { path }) => {
      if (path === "/slow") answers.push(() => response.end());
      else response.end();
    };
    for (let n = 0; n < 30; n++) await notifications.happens({ subject: `s${n}` });
    await notifications.get(NotificationDispatcher).dispatch();
    await webhook({ name: "quick", url: receiver.url("/quick") });
    await notifications.happens({ subject: "quick" });
    await notifications.get(NotificationDispatcher).dispatch();
    notifications.get(NotificationSender).wake();
    await expect
      .poll(() => receiver.received.filter(({ path }) => path === "/quick").length, { timeout: 5_000 })
      .toBe(1);
    // Of the slow one no more than four at once.
    await expect.poll(() => answers.length, { timeout: 5_000 }).toBe(4);
    notifications.get(NotificationSender).wake();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answers).toHaveLength(4);
    receiver.answer = (response) => response.end();
    for (const answer of answers) answer();
    await notifications.settle();
    expect(receiver.received).toHaveLength(32);
  });
});

describe("nothing is lost", () => {
  test("with the queue: everything is sent all the same", async () => {
    await webhook();
    notifications.api.jobs.putOff.length = 0;
    receiver.answer = (response) => response.writeHead(500).end();
    for (let n = 0; n < 20; n++) await notifications.happens({ subject: String(n) });
    await notifications.settle();
    // Each was to be tried again by a job, none of which ever runs.
    expect(notifications.api.jobs.putOff).toHaveLength(20);
    receiver.reset();
    notifications.clock.advance(10_000);
    await notifications.settle();
    expect(subjects().toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => String(n)).toSorted());
    expect(await notifications.deliveries("?state=pending")).toEqual([]);
  });

  test("and a job sends what is due without anybody looking", async () => {
    await webhook();
    await notifications.happens();
    await notifications.get(NotificationDispatcher).dispatch();
    const [delivery] = await notifications.deliveries();
    await notifications.api.jobs.runLater("notification", delivery?.id ?? "");
    await notifications.get(NotificationSender).settled();
    expect(receiver.received).toHaveLength(1);
  });

  test("when a process dies between sending and writing it down: it is sent again, with the same id", async () => {
    await webhook();
    await notifications.happens();
    await notifications.get(NotificationDispatcher).dispatch();
    class Dying extends NotificationDeliveriesRepository {
      override delivered(_attempt: Attempt, _at: Date): Promise<void> {
        return Promise.reject(new Error("the process died"));
      }
    }
    const dying = anotherSender(new Dying(notifications.get(Database)));
    dying.wake();
    await dying.settled();
    expect(receiver.received).toHaveLength(1);
    // While its lease lasts it may still be alive.
    notifications.clock.advance(59_000);
    await notifications.settle();
    expect(receiver.received).toHaveLength(1);
    notifications.clock.advance(2_000);
    await notifications.settle();
    expect(receiver.received).toHaveLength(2);
    expect(new Set(ids()).size).toBe(1);
    expect(await notifications.deliveries()).toMatchObject([{ state: "delivered", attempts: 2 }]);
  });

  test("when it dies in the last attempt: then that is said", async () => {
    await webhook();
    await notifications.happens();
    await notifications.get(NotificationDispatcher).dispatch();
    await notifications.platform.admin.query("update notification_delivery set attempts = 7");
    await notifications.settle();
    expect(receiver.received).toEqual([]);
    const [dead] = await notifications.deliveries("?state=dead");
    expect(dead?.lastError).toContain("not known");
  });

  test("when the outbox cannot be written: the cursor stays where it was", async () => {
    await webhook();
    await notifications.happens({ subject: "kept" });
    const { admin } = notifications.platform;
    await admin.query("alter table notification_delivery add constraint broken check (false) not valid");
    await expect(notifications.get(NotificationDispatcher).dispatch()).rejects.toThrow("broken");
    await admin.query("alter table notification_delivery drop constraint broken");
    await notifications.settle();
    expect(subjects()).toEqual(["kept"]);
  });

  test("of a transaction that commits late", async () => {
    await webhook();
    const slow = await notifications.platform.admin.connect();
    await slow.query("begin");
    await slow.query(
      `insert into live_event (kind, subject, data, principals, groups, permission)
       values ('lock.set', 'slow', '{}', '{}', '{}', 'lock:read')`,
    );
    await notifications.happens({ subject: "fast" });
    await notifications.settle();
    await slow.query("commit");
    slow.release();
    await notifications.settle();
    await notifications.settle();
    expect(subjects().toSorted()).toEqual(["fast", "slow"]);
  });
});

describe("nothing is sent twice", () => {
  test("by several processes that look and send at once", async () => {
    await webhook();
    for (let n = 0; n < 60; n++) await notifications.happens({ subject: String(n) });
    const dispatcher = notifications.get(NotificationDispatcher);
    await Promise.all([1, 2, 3].map(() => dispatcher.dispatch()));
    const senders = [1, 2, 3].map(() => anotherSender());
    for (const sender of senders) sender.wake();
    await Promise.all(senders.map((sender) => sender.settled()));
    await notifications.settle();
    expect(receiver.received).toHaveLength(60);
    expect(new Set(ids()).size).toBe(60);
    expect(new Set(subjects()).size).toBe(60);
  });

  test("by one who was thought dead and comes back: what it says is of an attempt that is over", async () => {
    await webhook();
    await notifications.happens();
    await notifications.get(NotificationDispatcher).dispatch();
    const deliveries = notifications.get(NotificationDeliveriesRepository);
    const claim = async () => {
      const now = notifications.clock.now();
      const claimed = await deliveries.claim({
        now,
        leaseUntil: new Date(now.getTime() + 60_000),
        except: [],
      });
      if (!claimed) throw new Error("nothing is due");
      return claimed;
    };
    const first = await claim();
    notifications.clock.advance(61_000);
    const second = await claim();
    await deliveries.dead(first, "late");
    expect(await notifications.deliveries()).toMatchObject([{ state: "pending", attempts: 2 }]);
    await deliveries.delivered(second, notifications.clock.now());
    await deliveries.failed(first, "later still", notifications.clock.now());
    expect(await notifications.deliveries()).toMatchObject([{ state: "delivered", lastError: null }]);
  });
});

test("after a restore into another database notifications go on from now", async () => {
  await webhook();
  const { admin } = notifications.platform;
  await admin.query("update notification_cursor set transaction = 999999999999, event_id = 5");
  expect(await notifications.get(NotificationDispatcher).mendCursor()).toBe(true);
  expect(await notifications.get(NotificationDispatcher).mendCursor()).toBe(false);
  await notifications.happens({ subject: "after" });
  await notifications.settle();
  expect(subjects()).toEqual(["after"]);
});

test("what was delivered is forgotten after a month, what was given up after three, what waits never", async () => {
  await webhook();
  for (const state of ["delivered", "dead", "pending"]) await notifications.happens({ subject: state });
  await notifications.get(NotificationDispatcher).dispatch();
  const { admin } = notifications.platform;
  await admin.query("update notification_delivery set state = subject, next_attempt_at = 'infinity'");
  const kept = async (days: number) => {
    notifications.clock.advance(days * 86_400_000);
    await notifications.api.jobs.run("forget-notifications");
    const { rows } = await admin.query<{ subject: string }>("select subject from notification_delivery");
    return rows.map(({ subject }) => subject).toSorted();
  };
  expect(await kept(29)).toEqual(["dead", "delivered", "pending"]);
  expect(await kept(2)).toEqual(["dead", "pending"]);
  expect(await kept(60)).toEqual(["pending"]);
});
