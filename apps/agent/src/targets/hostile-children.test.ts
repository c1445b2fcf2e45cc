import { tmpdir } from "node:os";
import { initialize, modern, request, toolCall } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { takeAllDescriptors } from "../fakes/file-descriptors.js";
import { waitFor } from "../fakes/wait-for.js";
import { NO_CHILD_LIMITS } from "./child-limits.js";
import { cleanUpAfterEach, onTestEnd, open, ownServer, stdio, testHost } from "./fakes/target-bench.js";
import { ServerProcess } from "./server-process.js";

cleanUpAfterEach();

const FLOOD = `
  process.stdin.resume();
  const line = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"' + "x".repeat(1000) + '"}}\\n';
  for (let n = 0; n < 5000; n++) process.stdout.write(line);
`;

describe("a target's process that is closed while it is paused", () => {
  test("leaves nothing behind and gives its place back", async () => {
    const host = testHost({ children: 1 });
    const session = open(host, ownServer(FLOOD));
    await waitFor(() => session.listener.messages[0]);
    session.target.pause();
    const closed = session.target.close().then(() => "closed");
    const late = new Promise((resolve) => setTimeout(resolve, 8_000, "still there"));
    expect(await Promise.race([closed, late])).toBe("closed");
    expect(host.children.count).toBe(0);
  }, 15_000);

  test("is not stopped from ending by a pause that comes while it ends", async () => {
    const host = testHost({ children: 1 });
    const session = open(host, ownServer(FLOOD));
    await waitFor(() => session.listener.messages[0]);
    const closed = session.target.close().then(() => "closed");
    session.target.pause();
    const late = new Promise((resolve) => setTimeout(resolve, 8_000, "still there"));
    expect(await Promise.race([closed, late])).toBe("closed");
    expect(host.children.count).toBe(0);
  }, 15_000);
});

describe("a target's process that is gone while somebody still holds its pipes", () => {
  test("is signalled and guarded no more: its number may be another's", async () => {
    const signalled: number[] = [];
    const kill = process.kill.bind(process);
    process.kill = (pid, signal) => {
      signalled.push(pid);
      return kill(pid, signal);
    };
    onTestEnd(() => (process.kill = kill));
    let isGuarded = true;
    let isGone = false;
    const child = new ServerProcess({
      // Who left the group keeps stdout open for a while; what is on it is not read.
      command: {
        command: "/bin/sh",
        arguments: ["-c", "setsid sleep 1 & sleep 0.2; exit 0"],
        directory: tmpdir(),
        environment: {},
      },
      limits: NO_CHILD_LIMITS,
      inheritedEnvironment: { PATH: "/usr/bin:/bin" },
      stderrBytesPerSecond: 1_000,
      watchdog: { guard: () => () => (isGuarded = false) },
      listener: { stdout: () => undefined, stderr: () => undefined, ended: () => undefined },
    });
    void child.gone.then(() => (isGone = true));
    child.pause();
    await waitFor(() => !isGuarded || undefined);
    expect(isGone).toBe(false);
    signalled.length = 0;
    child.resume();
    await child.gone;
    await child.close();
    expect(signalled).toEqual([]);
  });
});

describe("a target's process on a host without file descriptors", () => {
  test("is not started, and the agent survives it", async () => {
    const host = testHost();
    const definition = stdio([]);
    const giveBack = takeAllDescriptors();
    try {
      expect(() => open(host, definition)).toThrow("too many files");
    } finally {
      giveBack();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(host.children.count).toBe(0);
  });
});

describe("a server that prints nothing but text", () => {
  test("does not fill the recording with how often it did", async () => {
    const session = open(testHost(), ownServer(`for (let n = 0; n < 20000; n++) console.log("starting");`));
    await session.ended();
    expect(session.listener.stderrText).toContain("left out");
    expect(session.listener.stderrText.length).toBeLessThan(1_000);
  });
});

describe("a server of 2026-07-28 whose list of tools is no MCP", () => {
  test("does not take the calls with it", async () => {
    const session = open(
      testHost(),
      ownServer(`
        import { createInterface } from "node:readline";
        createInterface({ input: process.stdin }).on("line", (line) => {
          const { id, method } = JSON.parse(line);
          const result = method === "tools/list" ? '{"tools":[],"tools":[]}' : '{"content":[]}';
          if (id !== undefined) console.log('{"jsonrpc":"2.0","id":' + JSON.stringify(id) + ',"result":' + result + "}");
        });
      `),
      "modern",
    );
    expect(await session.call(1, modern(toolCall(1, "any")))).toContain('"content"');
    expect(session.listener.rubbishReasons).toEqual([]);
  });
});

describe("a server that dies in the middle of a call and has said nothing before", () => {
  test("may have run the call", async () => {
    const session = open(
      testHost(),
      ownServer(`
        import { createInterface } from "node:readline";
        createInterface({ input: process.stdin }).on("line", () => process.exit(3));
      `),
      "modern",
    );
    session.send(1, modern(request(1, "vendor/delete")));
    expect((await session.ended()).neverWorked).toBe(false);
  });

  test("has run nothing when all it was sent was initialize", async () => {
    const session = open(
      testHost(),
      ownServer(`
        import { createInterface } from "node:readline";
        createInterface({ input: process.stdin }).on("line", () => process.exit(3));
      `),
    );
    session.send(1, initialize(1));
    expect((await session.ended()).neverWorked).toBe(true);
  });
});
