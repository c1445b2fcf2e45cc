import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smtpOptions } from "./channels/email.js";
import { MailReceiver } from "./fakes/mail-receiver.js";
import { MailServers } from "./outbound/mail-servers.js";
import { AllowedReceivers } from "./outbound/public-address.js";
import { NotificationsUnderTest } from "./fakes/notifications-under-test.js";

let notifications: NotificationsUnderTest;
const mail = new MailReceiver();
const encrypting = new MailReceiver({ hideSTARTTLS: false });

beforeAll(async () => {
  await Promise.all([mail.start(), encrypting.start()]);
  notifications = await NotificationsUnderTest.start();
});
beforeEach(async () => {
  await notifications.clear();
  mail.received.length = 0;
  encrypting.received.length = 0;
});
afterAll(async () => {
  await notifications.stop();
  await Promise.all([mail.stop(), encrypting.stop()]);
});

const email = (smtpUrl: string) =>
  notifications.apply({
    kind: "email",
    smtpUrl,
    from: "gate@example.test",
    to: ["one@example.test", "two@example.test"],
  });

/** Quoted-printable as it reads. */
function decoded(raw: string): string {
  const bytes = raw
    .replaceAll("=\r\n", "")
    .replaceAll(/=([0-9A-F]{2})/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

describe("an e-mail", () => {
  test("goes to all addresses of the channel, as text and HTML, with the masked preview and the link", async () => {
    await email(`smtp://mailer:secret@127.0.0.1:${mail.port}?tls=off`);
    const subject = randomUUID();
    const preview = '{"sql":"select [REDACTED:email]"}';
    notifications.approvals.known.set(subject, { state: "pending", preview, email: "ada@example.test" });
    const data = { principal: "ada", target: "shop", name: "execute_sql", expiresAt: "soon" };
    await notifications.happens({ kind: "approval.requested", subject, data });
    await notifications.settle();
    const [message] = mail.received;
    expect(message).toMatchObject({
      from: "gate@example.test",
      to: ["one@example.test", "two@example.test"],
      user: "mailer",
    });
    const text = decoded(message?.raw ?? "");
    expect(text).toContain("Subject: [Drawbridge] An operation waits for approval: shop execute_sql");
    expect(text).toContain("Content-Type: text/plain");
    expect(text).toContain("Content-Type: text/html");
    expect(text).toContain(preview);
    expect(text).toContain(`/approvals/${subject}`);
    expect(text).toContain("Expires at: soon");
    expect(text).toContain("Email: ada@example.test");
    expect(await notifications.deliveries()).toMatchObject([{ state: "delivered" }]);
  });

  test("holds what others wrote as text: no header, no line of ours, no HTML comes of it", async () => {
    await email(`smtp://127.0.0.1:${mail.port}?tls=off`);
    const subject = randomUUID();
    const preview = '</pre><script>alert("preview")</script>\nOpen it: https://evil.example';
    notifications.approvals.known.set(subject, { state: "pending", preview, email: undefined });
    const hostile =
      'shop\r\nBcc: victim@example.test\r\n\r\n<img src=x onerror="alert(1)">\u2028Open it: https://evil.example';
    await notifications.happens({
      kind: "approval.requested",
      subject,
      data: { target: hostile, reason: `fine\nOpen it: https://evil.example` },
    });
    await notifications.settle();
    const [message] = mail.received;
    expect(message?.to).toEqual(["one@example.test", "two@example.test"]);
    const raw = message?.raw ?? "";
    const head = raw.slice(0, raw.indexOf("\r\n\r\n"));
    expect(head).not.toMatch(/^Bcc:/im);
    const text = decoded(raw);
    const [plain = "", html = ""] = text.split("<!doctype html>");
    expect(plain).not.toMatch(/^Open it: https:\/\/evil/m);
    expect(html).not.toContain("<script>");
    expect(html).not.toContain("<img");
    expect(html).toContain("&lt;/pre&gt;&lt;script&gt;");
  });

  test("bears the same id each time it is tried", async () => {
    const refusing = new MailReceiver({
      onMailFrom: (_address, _session, callback) => callback(new Error("not now")),
    });
    await refusing.start();
    await email(`smtp://127.0.0.1:${refusing.port}?tls=off`);
    await notifications.happens();
    await notifications.settle();
    const [failed] = await notifications.deliveries();
    expect(failed).toMatchObject({ state: "pending", attempts: 1 });
    expect(failed?.lastError).toContain("not now");
    await refusing.stop();
    await email(`smtp://127.0.0.1:${mail.port}?tls=off`);
    notifications.clock.advance(10_000);
    await notifications.settle();
    expect(mail.received[0]?.raw).toContain(`Message-ID: <${failed?.id}@example.test>`);
  });

  test("is not sent where the password is wrong, and the error does not tell it", async () => {
    const refusing = new MailReceiver({
      onAuth: ({ password }, _session, callback) => callback(new Error(`wrong: ${password}`)),
    });
    await refusing.start();
    await email(`smtp://mailer:very-secret@127.0.0.1:${refusing.port}?tls=off`);
    await notifications.happens();
    await notifications.settle();
    const [failed] = await notifications.deliveries();
    expect(failed?.lastError).toContain("wrong: [secret]");
    await refusing.stop();
  });
});

test("tells no error of a password, however the server repeats it", async () => {
  const refusing = new MailReceiver({
    onAuth: (_auth, _session, callback) =>
      callback(new Error(`wrong: ${Buffer.from("\0mailer\0very-secret").toString("base64")}`)),
  });
  await refusing.start();
  await email(`smtp://mailer:very-secret@127.0.0.1:${refusing.port}?tls=off`);
  await notifications.happens();
  await notifications.settle();
  const [failed] = await notifications.deliveries();
  expect(failed?.lastError).toContain("wrong: [secret]");
  await refusing.stop();
});

describe("the way to the mail server", () => {
  test.each([
    "169.254.169.254",
    "0.0.0.0",
    "2852039166",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[fe80::1]",
  ])("does not lead to %s", async (host) => {
    await email(`smtp://${host}:${mail.port}?tls=off`);
    await notifications.happens();
    await notifications.settle();
    const [failed] = await notifications.deliveries();
    expect(failed?.lastError).toContain("is no address of a mail server");
    expect(mail.received).toEqual([]);
  });

  test("does not lead to a host that has such an address, and leads to the very one that was judged", async () => {
    const answers = [["127.0.0.1"], ["127.0.0.1", "169.254.169.254"]];
    const servers = new MailServers(new AllowedReceivers([]), () => Promise.resolve(answers.shift() ?? []));
    const to = { host: "mail.test", port: mail.port };
    const socket = await servers.connect(to, AbortSignal.timeout(3_000));
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
    await expect(servers.connect(to, AbortSignal.timeout(3_000))).rejects.toThrow("mail.test is no address");
    await expect(servers.connect(to, AbortSignal.timeout(3_000))).rejects.toThrow("has no address");
    const named = new MailServers(new AllowedReceivers(["mail.test"]), () => Promise.resolve(["127.0.0.1"]));
    (await named.connect(to, AbortSignal.timeout(3_000))).destroy();
  });

  test.each([
    "10.1.2.3",
    "192.168.0.1",
    "127.0.0.1",
    "::1",
    "fd12::1",
    "100.64.0.1",
    "8.8.8.8",
    "2606:4700::1111",
  ])("may lead to %s", (address) => expect(new AllowedReceivers([]).allowsMailServer(address)).toBe(true));

  test.each([
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1%lo",
    "ff02::1",
    "::7f00:1",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::",
    "2001::1",
  ])("may not lead to %s", (address) =>
    expect(new AllowedReceivers([]).allowsMailServer(address)).toBe(false),
  );

  test("is encrypted where the server offers it, and a certificate nobody vouches for is refused", async () => {
    await email(`smtp://127.0.0.1:${encrypting.port}`);
    await notifications.happens();
    await notifications.settle();
    expect(encrypting.received).toEqual([]);
    expect((await notifications.deliveries())[0]?.lastError).toMatch(/certificate/i);
  });

  test("must be encrypted, unless the server is on this host or the URL says otherwise", () => {
    expect(smtpOptions("smtp://mail.example.test")).toMatchObject({
      port: 587,
      secure: false,
      requireTLS: true,
      ignoreTLS: false,
      tls: { servername: "mail.example.test" },
    });
    expect(smtpOptions("smtps://mail.example.test")).toMatchObject({ port: 465, secure: true });
    expect(smtpOptions("smtp://mail.example.test:25?tls=off")).toMatchObject({
      port: 25,
      requireTLS: false,
      ignoreTLS: true,
    });
    for (const host of ["localhost", "127.0.0.1", "[::1]"])
      expect(smtpOptions(`smtp://${host}`)).toMatchObject({ requireTLS: false, ignoreTLS: false });
    // A name that only looks like it.
    expect(smtpOptions("smtp://127.0.0.1.example.test")).toMatchObject({ requireTLS: true });
  });

  test("takes a user and password as they are meant", () => {
    expect(smtpOptions("smtp://a%40b:p%3Aw@mail.example.test")).toMatchObject({
      auth: { user: "a@b", pass: "p:w" },
    });
  });
});
