import { initialize, ping, toolCall } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import { cleanUpAfterEach, open, ownServer, stdio, testHost } from "./fakes/target-bench.js";

cleanUpAfterEach();

/** Writes what it is told to, whatever it is. */
const VERBATIM = `
  import { createInterface } from "node:readline";
  createInterface({ input: process.stdin }).on("line", (line) => {
    process.stdout.write(JSON.parse(line).params.text);
  });
`;

function say(text: string): string {
  return JSON.stringify({ jsonrpc: "2.0", method: "notifications/say", params: { text } });
}

describe("a stdio target of one session", () => {
  test("may answer in an array, of which each message goes on by itself", async () => {
    const session = open(testHost(), stdio([]));
    await session.call(1, initialize(1, { protocolVersion: "2025-03-26" }));
    expect(await session.call(2, toolCall(2, "batch"))).toContain("from a batch");
    expect(session.messages(undefined).map(({ id, method }) => id ?? method)).toEqual([
      1,
      "notifications/message",
      2,
    ]);
  });

  test.each(["[]", "[[]]", "[1]", '[{"jsonrpc":"2.0","method":1}]', "[{]", "["])(
    "is reported for an array that is none of messages: %s",
    async (text) => {
      const session = open(testHost(), ownServer(VERBATIM));
      session.send(0, say(`${text}\n{"jsonrpc":"2.0","method":"after"}\n`));
      await waitFor(() => session.listener.messages[0]);
      expect(session.listener.rubbishReasons).toHaveLength(1);
      expect(session.messages(undefined).map(({ method }) => method)).toEqual(["after"]);
    },
  );

  test("gives a large answer in pieces, byte for byte, and no more of it while it is paused", async () => {
    const session = open(testHost({ messageBytes: 100_000 }), stdio([]));
    session.listener.onPiece = ({ bytes }) => {
      if (bytes > 1_000_000) session.target.pause();
    };
    session.send(1, toolCall(1, "big", { bytes: 20_000_000 }));
    await waitFor(() => session.listener.larges.find(({ bytes }) => bytes > 1_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(session.listener.larges[0]?.bytes).toBeLessThan(2_000_000);
    session.listener.onPiece = () => undefined;
    session.target.resume();
    const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
    const content = [{ type: "text", text: "x".repeat(20_000_000) }];
    expect(large.bytes).toBe(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content } }).length);
    expect(large).toMatchObject({ exchange: undefined, outcome: { ended: undefined } });
    expect(large.largestPiece).toBeLessThan(300_000);
    expect(await session.call(2, ping(2))).toContain('"id":2');
  });

  test("that dies in the middle of a large answer is told to whoever takes it", async () => {
    const session = open(
      testHost({ messageBytes: 100_000 }),
      ownServer(`
        process.stdout.write('{"jsonrpc":"2.0","id":1,"result":"' + "x".repeat(500_000), () => process.exit(5));
      `),
    );
    expect(await session.ended()).toEqual({
      reason: "the target's process exited with code 5",
      neverWorked: false,
    });
    expect(session.listener.larges[0]?.outcome).toEqual({
      aborted: "the target's process exited with code 5",
    });
  });

  test.each(["[", "x", " "])("is reported, and goes on, for a large line of %j", async (letter) => {
    const session = open(
      testHost({ messageBytes: 100_000 }),
      ownServer(`
        process.stdout.write(${JSON.stringify(letter)}.repeat(500_000) + '\\n{"jsonrpc":"2.0","method":"after"}\\n');
        setInterval(() => undefined, 60_000);
      `),
    );
    await waitFor(() => session.listener.messages[0]);
    expect(session.listener.rubbishReasons).toHaveLength(1);
    expect(session.listener.larges).toEqual([]);
  });
});
