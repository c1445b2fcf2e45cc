import { afterEach, beforeEach, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const AT = "2026-11-22T22:31:04.120Z";
const ACCEPTED = "ab".repeat(32);
const SHOWN = "cd".repeat(32);
const PIN = {
  target: "shop",
  name: "execute/sql",
  state: "quarantined",
  flags: ["hidden_characters"],
  acceptedDigest: ACCEPTED,
  acceptedAt: AT,
  shownDigest: SHOWN,
  shownSince: AT,
  firstSeenAt: AT,
};
const DETAIL = {
  ...PIN,
  accepted: '{"name":"execute/sql","description":"runs SQL"}',
  shown: '{"name":"execute/sql","description":"runs SQL\u200b"}',
};

let controlPlane: FakeControlPlane;
let shell: TestShell;
let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
});
afterEach(() => stop());

it("lists the tools of a target that wait to be accepted", async () => {
  controlPlane.route("GET /targets/shop/tools", () => ({ body: { items: [PIN] } }));
  const { stdout } = await shell.run(["tools", "pinned", "shop"]);
  expect(stdout).toMatch(/execute\/sql +quarantined +2026-11-22 .* +first shown +hidden_characters\n/);
  controlPlane.route("GET /targets/shop/tools", () => ({ body: { items: [] } }));
  expect((await shell.run(["tools", "pinned", "shop"])).stdout).toContain("has not shown a tool yet");
});

it("shows what is different, hidden characters too, and how to accept it", async () => {
  controlPlane.route("GET /targets/shop/tools/execute%2Fsql", () => ({ body: DETAIL }));
  const { stdout } = await shell.run(["tools", "show", "shop", "execute/sql"]);
  expect(stdout).toContain("accepted by  nobody: it was the first one shown");
  expect(stdout).toContain("suspicious: invisible characters, which a model reads");
  expect(stdout).toMatch(/-.*runs SQL"\n\+.*runs SQL\\u\{200b\}"/);
  expect(stdout).toContain(`drawbridge tools accept shop execute/sql ${SHOWN}\n`);
});

it("accepts the definition that was looked at, and no other", async () => {
  const path = "POST /targets/shop/tools/execute%2Fsql/accept";
  controlPlane.route(path, () => ({ body: { ...PIN, state: "accepted", acceptedDigest: SHOWN } }));
  const { stdout } = await shell.run(["tools", "accept", "shop", "execute/sql", SHOWN]);
  expect(stdout).toBe("execute/sql of shop is accepted as cdcdcdcdcdcd\n");
  expect(controlPlane.seen("POST ")[0]?.body).toEqual({ digest: SHOWN });
  controlPlane.route(path, () =>
    problem("tool_changed", "the tool shows another definition now; look again"),
  );
  const changed = await shell.run(["tools", "accept", "shop", "execute/sql", SHOWN]);
  expect(changed).toMatchObject({ code: EXIT.failure, stdout: "" });
  expect((await shell.run(["tools", "accept", "shop", "execute/sql"])).code).toBe(EXIT.usage);
});

it("still lists the tools that somebody may use by the name of the target alone", async () => {
  controlPlane.tools = [{ name: "read", inputSchema: { type: "object" } }];
  expect((await shell.run(["tools", "shop"])).stdout).toContain("read");
  expect((await shell.run(["tools", "list", "show"])).stdout).toContain("read");
});
