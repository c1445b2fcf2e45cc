import type { EventMessage } from "@drawbridge/contracts";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "./errors.js";
import { liveEvents } from "./event-stream.js";
import { FakeControlPlane } from "./fakes/fake-control-plane.js";
import { Output } from "./output.js";

let controlPlane: FakeControlPlane;
let interrupt: AbortController;
let notices: string;

beforeEach(async () => {
  controlPlane = await FakeControlPlane.start();
  interrupt = new AbortController();
  notices = "";
});
afterEach(async () => {
  interrupt.abort();
  await controlPlane.stop();
});

function listen(wish: { kinds?: string[]; after?: string } = {}): AsyncGenerator<EventMessage> {
  const output = new Output(
    { stdout: { write: () => {} }, stderr: { write: (text) => (notices += text) } },
    false,
  );
  const tokens = { get: async () => ({ value: "api-secret", expiresAt: 0 }) };
  const connection = { url: controlPlane.url, tokens } as unknown as Parameters<typeof liveEvents>[1];
  return liveEvents({ signal: interrupt.signal, output }, connection, wish);
}

/** The subjects of the first `count` events. */
async function subjects(stream: AsyncGenerator<EventMessage>, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const next = await stream.next();
    if (next.done) break;
    if (next.value.type === "event") found.push(next.value.subject);
  }
  return found;
}

const happens = (subject: string): void => controlPlane.events.happens({ kind: "lock.set", subject });

describe("live events", () => {
  it("are asked for with the token in a header, by the protocol's name and kinds", async () => {
    const stream = listen({ kinds: ["approval.*", "lock.set"], after: "c0" });
    await stream.next();
    expect(controlPlane.events.connections).toEqual([
      {
        after: "c0",
        kinds: "approval.*,lock.set",
        authorization: "Bearer api-secret",
        protocol: "drawbridge.events.v1",
      },
    ]);
  });

  it("go on after a broken connection where they were", async () => {
    const stream = listen();
    expect((await stream.next()).value).toEqual({ type: "ready", cursor: "c0" });
    happens("one");
    expect(await subjects(stream, 1)).toEqual(["one"]);
    controlPlane.events.cut();
    happens("missed");
    expect(await subjects(stream, 1)).toEqual(["missed"]);
    happens("three");
    expect(await subjects(stream, 1)).toEqual(["three"]);
    expect(controlPlane.events.connections.map(({ after }) => after)).toEqual([null, "c1"]);
  });

  it("come once and in order, wherever connections break", async () => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), async (breaksAfter) => {
        controlPlane.events.breaksAfter = breaksAfter;
        const names = ["a", "b", "c", "d", "e", "f"];
        for (const name of names) happens(name);
        const stream = listen({ after: `c${told}` });
        told += names.length;
        expect(await subjects(stream, names.length)).toEqual(names);
        await stream.return(undefined);
      }),
      { numRuns: 4 },
    );
  });

  it("that are told twice are heard once", async () => {
    const stream = listen();
    await stream.next();
    happens("one");
    controlPlane.events.say(
      JSON.stringify({
        type: "event",
        cursor: "c1",
        at: "2026-11-22T22:31:04Z",
        kind: "lock.set",
        subject: "one",
        data: {},
      }),
    );
    happens("two");
    expect(await subjects(stream, 2)).toEqual(["one", "two"]);
  });

  it("of a kind that is not known yet are passed over", async () => {
    const stream = listen();
    await stream.next();
    controlPlane.events.say(
      JSON.stringify({
        type: "event",
        cursor: "x",
        at: "2026-11-22T22:31:04Z",
        kind: "moon.rose",
        subject: "m",
        data: {},
      }),
    );
    happens("known");
    expect(await subjects(stream, 1)).toEqual(["known"]);
  });

  it.each([
    ["text that is no JSON", "{"],
    ["JSON that means nothing", "{}"],
  ])("end with an error for %s", async (_what, text) => {
    const stream = listen();
    await stream.next();
    controlPlane.events.say(text);
    await expect(stream.next()).rejects.toThrow(/does not understand/);
  });

  it("say that there is a gap", async () => {
    controlPlane.events.greeting = {
      type: "gap",
      cursor: "c0",
      says: "what is older than 7 days is forgotten",
    };
    const stream = listen({ after: "c0" });
    expect((await stream.next()).value).toMatchObject({ type: "gap" });
    expect((await stream.next()).value).toMatchObject({ type: "ready" });
  });

  it.each([
    [401, EXIT.notSignedIn, /why; sign in again: drawbridge login/],
    [403, EXIT.notPermitted, /why/],
    [404, EXIT.failure, /no live events here: why/],
    [503, EXIT.failure, /no live events here: why/],
  ])("that were never there are not waited for (%i)", async (status, exitCode, message) => {
    controlPlane.events.refusal = { status, body: problemText(status) };
    await expect(listen().next()).rejects.toMatchObject({ exitCode });
    await expect(listen().next()).rejects.toThrow(message);
  });

  it("are waited for when they were there before, unless the sign-in has ended", async () => {
    const stream = listen();
    await stream.next();
    controlPlane.events.refusal = { status: 503, body: "" };
    controlPlane.events.cut();
    const next = stream.next();
    await until(() => notices.includes("no connection; trying again in"));
    controlPlane.events.refusal = { status: 401, body: problemText(401) };
    await expect(next).rejects.toMatchObject({ exitCode: EXIT.notSignedIn });
  });

  it("say so at once when nothing answers", async () => {
    await controlPlane.stop();
    await expect(listen().next()).rejects.toThrow(/cannot reach/);
  });

  it("end with Ctrl-C, in the middle of a silence", async () => {
    const stream = listen();
    await stream.next();
    const next = stream.next();
    interrupt.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  it("end with Ctrl-C although nobody says goodbye", async () => {
    const stream = listen();
    await stream.next();
    controlPlane.events.freeze();
    const next = stream.next();
    const began = Date.now();
    interrupt.abort();
    expect(await next).toEqual({ value: undefined, done: true });
    expect(Date.now() - began).toBeLessThan(5_000);
  });

  it("are read as fast as they are wanted, none lost", async () => {
    const stream = listen();
    await stream.next();
    const names = Array.from({ length: 2_000 }, (_, index) => `e${index}`);
    for (const name of names) happens(name);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await subjects(stream, names.length)).toEqual(names);
  });
});

function problemText(status: number): string {
  return JSON.stringify({ type: "x", title: "x", status, code: "x", detail: "why" });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
