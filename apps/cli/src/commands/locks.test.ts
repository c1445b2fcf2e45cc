import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { lockOf } from "../fakes/access-views.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const LOCK = lockOf();

let controlPlane: FakeControlPlane;
let shell: TestShell;
let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
  controlPlane.route("GET /locks", () => ({ body: { items: [LOCK] } }));
  controlPlane.route("POST /locks", () => ({ status: 201, body: LOCK }));
  controlPlane.route(`POST /locks/${LOCK.id}/release`, () => ({ body: LOCK }));
});
afterEach(() => stop());

describe("lock", () => {
  it("locks until somebody unlocks, or for a while", async () => {
    const argv = ["lock", "principal", "mallory", "--reason", "laptop stolen"];
    expect((await shell.run(argv)).stdout).toBe(
      "principal mallory is locked until it is unlocked (cccc0001)\n",
    );
    controlPlane.route("POST /locks", () => ({ status: 201, body: lockOf({ expiresAt: LOCK.createdAt }) }));
    expect((await shell.run([...argv, "--for", "2h"])).stdout).toMatch(
      / is locked until 2026-11-22 22:31:04Z /,
    );
    expect(controlPlane.seen("POST ").map(({ body }) => body)).toEqual([
      { kind: "principal", subject: "mallory", reason: "laptop stolen" },
      { kind: "principal", subject: "mallory", reason: "laptop stolen", duration: "2h" },
    ]);
    expect(JSON.parse((await shell.run([...argv, "--json"])).stdout)).toMatchObject({ id: LOCK.id });
  });

  it("wants a reason and a kind that there is", async () => {
    expect((await shell.run(["lock", "principal", "mallory"])).code).toBe(EXIT.usage);
    expect((await shell.run(["lock", "planet", "mars", "--reason", "r"])).code).toBe(EXIT.usage);
    expect(controlPlane.requests).toEqual([]);
  });

  it.each([
    ["already_locked", EXIT.failure],
    ["lock_invalid", EXIT.failure],
    ["not_permitted", EXIT.notPermitted],
  ] as const)("passes on why it cannot be: %s", async (code, exitCode) => {
    controlPlane.route("POST /locks", () => problem(code, "because"));
    const result = await shell.run(["lock", "agent", "a", "--reason", "r"]);
    expect(result).toEqual({ code: exitCode, stdout: "", stderr: "error: because\n" });
  });
});

describe("unlock", () => {
  it.each([[["principal", "mallory"]], [["cccc0001"]], [[LOCK.id]]])("takes %j", async (named) => {
    const { code, stdout } = await shell.run(["unlock", ...named]);
    expect({ code, stdout }).toEqual({ code: EXIT.ok, stdout: "principal mallory is unlocked\n" });
    expect(controlPlane.seen(`POST /locks/${LOCK.id}/release`)).toHaveLength(1);
  });

  it("prints JSON", async () => {
    const { stdout } = await shell.run(["unlock", "cccc0001", "--json"]);
    expect(JSON.parse(stdout)).toEqual(LOCK);
  });

  it("says that there is no such lock or kind", async () => {
    const { code, stderr } = await shell.run(["unlock", "principal", "m"]);
    expect({ code, stderr }).toEqual({
      code: EXIT.failure,
      stderr: "error: principal m is not locked; see what is: drawbridge locks\n",
    });
    expect((await shell.run(["unlock", "planet", "mars"])).code).toBe(EXIT.usage);
    expect((await shell.run(["unlock", "planet"])).code).toBe(EXIT.usage);
    expect(controlPlane.seen("POST ")).toEqual([]);
  });
});

describe("locks", () => {
  it("lists those in force, and the others when asked", async () => {
    const hostile = lockOf({ subject: "shop/\u001b[2Jtool", reason: "a\nb" });
    controlPlane.route("GET /locks", () => ({ body: { items: [hostile] } }));
    const { stdout } = await shell.run(["locks"]);
    expect(stdout).toContain(String.raw`cccc0001  principal  shop/\x1b[2Jtool  a\nb    admin`);
    const all = await shell.run(["locks", "list", "--all", "--kind", "tool", "--json"]);
    expect(JSON.parse(all.stdout)).toEqual({ items: [hostile] });
    expect(controlPlane.requests[1]?.path).toBe("/locks?kind=tool&all=true&limit=50");
    expect((await shell.run(["locks", "--all"])).stdout).toMatch(/RELEASED BY\n/);
    controlPlane.route("GET /locks", () => ({ body: { items: [] } }));
    expect((await shell.run(["locks"])).stdout).toBe("nothing is locked\n");
  });
});

describe("events", () => {
  async function hear(...argv: string[]) {
    const interrupt = new AbortController();
    let began = false;
    controlPlane.events.happens({ kind: "lock.set", subject: "before" });
    const happens = (): void => {
      if (began) return;
      began = true;
      controlPlane.events.happens({
        kind: "lock.set",
        subject: LOCK.id,
        data: { subject: "a b\u001b[2J", by: "admin", expiresAt: null, until: 'x" by="root' },
      });
    };
    const poll = setInterval(() => {
      if (controlPlane.events.connections.length > 0) happens();
    }, 50);
    const result = await shell.run(["events", ...argv], {
      signal: interrupt.signal,
      onOutput: (text) => {
        if (text.includes(LOCK.id.slice(-8))) interrupt.abort();
      },
    });
    clearInterval(poll);
    return result;
  }

  it("shows a line for each", async () => {
    const { code, stdout } = await hear("--kinds", "lock.*,approval.requested", "--after", "c0");
    expect(code).toBe(EXIT.ok);
    expect(stdout).toBe(
      "22:31:04  lock.set  before\n" +
        String.raw`22:31:04  lock.set  cccc0001  subject="a b\x1b[2J"  by=admin  until="x\" by=\"root"`.replace(
          String.raw`\x1b`,
          String.raw`\u001b`,
        ) +
        "\n",
    );
    expect(controlPlane.events.connections[0]).toMatchObject({
      kinds: "lock.*,approval.requested",
      after: "c0",
    });
  });

  it("prints JSON with the place to go on after", async () => {
    const { stdout } = await hear("--json");
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      { type: "ready", cursor: "c1" },
      { type: "event", cursor: "c2" },
    ]);
    expect(stdout).not.toContain("\u001b");
  });
});
