import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { EventMessage } from "@drawbridge/contracts";
import { eventually } from "@drawbridge/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { System } from "./system.js";

let system: System;
const webhooks: { id: string; subject: string }[] = [];
const receiver = createServer((request, response) => {
  let body = "";
  request.on("data", (part: Buffer) => (body += part.toString("utf8")));
  request.on("end", () => {
    const { data } = JSON.parse(body) as { data: { subject: string } };
    webhooks.push({ id: String(request.headers["webhook-id"]), subject: data.subject });
    response.end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  system = await System.start({ settings: { DRAWBRIDGE_NOTIFY_ALLOW: "127.0.0.1" } });
}, 180_000);
afterAll(async () => {
  await system.stop();
  receiver.closeAllConnections();
  receiver.close();
});

/** As a browser listens: by the platform's own WebSocket, with the token as a subprotocol. */
class Listener {
  readonly heard: EventMessage[] = [];
  readonly closed: Promise<number>;

  private constructor(socket: WebSocket) {
    socket.addEventListener("message", ({ data }) => {
      this.heard.push(EventMessage.parse(JSON.parse(String(data))));
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code }) => resolve(code));
    });
  }

  static async open(query = ""): Promise<Listener> {
    const token = await system.identity.issueToken({ username: "admin", resource: "api" });
    const address = `${system.publicUrl.replace("http:", "ws:")}/api/v1/events${query}`;
    const listener = new Listener(new WebSocket(address, ["drawbridge.events.v1", `bearer.${token}`]));
    await eventually(async () => {
      if (!listener.heard.some(({ type }) => type === "ready")) throw new Error("it is not ready");
    });
    return listener;
  }

  async hears(subject: unknown): Promise<void> {
    await eventually(async () => {
      if (!this.subjects.includes(String(subject))) throw new Error(`it has not heard of ${String(subject)}`);
    });
  }

  get subjects(): string[] {
    return this.heard.flatMap((message) => (message.type === "event" ? [message.subject] : []));
  }
}

async function lock(subject: string): Promise<string> {
  const { id } = await system.api().demand("POST", "locks", { kind: "principal", subject, reason: "a test" });
  return String(id);
}

test("what happens is told live and by webhook, across a kill -9 and a stop, all of it and once", async () => {
  const { port } = receiver.address() as AddressInfo;
  await system.api().demand("PUT", "notification-channels/ops", {
    name: "ops",
    kind: "webhook",
    events: ["lock.*"],
    url: `http://127.0.0.1:${port}/`,
  });
  const first = await Listener.open("?kinds=lock.*");
  const locks = [await lock("one")];
  await first.hears(locks[0]);
  const cursor = first.heard.at(-1)?.cursor ?? "";

  await system.controlPlane.kill();
  expect(await first.closed).toBe(1006);
  await system.startControlPlane();
  locks.push(await lock("two"), await lock("three"));
  const second = await Listener.open(`?kinds=lock.*&after=${cursor}`);
  locks.push(await lock("four"));
  await second.hears(locks[3]);
  expect([...first.subjects, ...second.subjects]).toEqual(locks);

  await eventually(async () => {
    if (new Set(webhooks.map(({ subject }) => subject)).size < locks.length) throw new Error("not all came");
  });
  // One that was cut off by the kill may come again, with the same id.
  const byId = new Map(webhooks.map(({ id, subject }) => [id, subject]));
  expect([...byId.values()].toSorted()).toEqual(locks.toSorted());

  const stopped = system.controlPlane.stop();
  expect(await second.closed).toBe(1001);
  await stopped;
  await system.startControlPlane();
}, 180_000);
