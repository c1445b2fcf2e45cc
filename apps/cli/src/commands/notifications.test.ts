import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { deliveryOf, idOf } from "../fakes/access-views.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const AT = "2026-11-22T22:31:04.120Z";
const CHANNEL = {
  id: idOf("eeee0001"),
  name: "pager",
  kind: "webhook",
  events: ["approval.*"],
  enabled: true,
  destination: "https://pager.example.com",
  createdBy: "admin",
  createdAt: AT,
  updatedAt: AT,
};
const YAML = "name: pager\nkind: webhook\nurl: https://pager.example.com/hook\nevents: [approval.*]\n";

let controlPlane: FakeControlPlane;
let shell: TestShell;
let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
});
afterEach(() => stop());

describe("notifications channels", () => {
  it("lists them", async () => {
    controlPlane.route("GET /notification-channels", () => ({ body: { items: [CHANNEL] } }));
    const { stdout } = await shell.run(["notifications", "channels"]);
    expect(stdout).toMatch(
      /\npager {2}webhook {2}yes {6}https:\/\/pager\.example\.com {2}approval\.\* {2}2026/,
    );
    const json = await shell.run(["notifications", "channels", "list", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ items: [CHANNEL] });
    controlPlane.route("GET /notification-channels", () => ({ body: { items: [] } }));
    expect((await shell.run(["notifications", "channels"])).stdout).toMatch(/^no channels: nobody is told/);
  });

  it("applies documents, and shows a secret that was made, once", async () => {
    controlPlane.route("PUT /notification-channels/pager", () => ({
      body: { ...CHANNEL, secret: "whsec_abc" },
    }));
    controlPlane.route("PUT /notification-channels/other", () => ({ body: { ...CHANNEL, name: "other" } }));
    const stdin = `${YAML}---\n${YAML.replace("pager\n", "other\n")}`;
    const { code, stdout, stderr } = await shell.run(["notifications", "channels", "apply", "-f", "-"], {
      stdin,
    });
    expect({ code, stdout, stderr }).toEqual({
      code: EXIT.ok,
      stdout:
        "channel pager tells https://pager.example.com (webhook)\nits signing secret: whsec_abc\n" +
        "channel other tells https://pager.example.com (webhook)\n",
      stderr: "give it to the receiver; it is not shown again\n",
    });
    expect(controlPlane.seen("PUT ")[0]?.body).toEqual({
      name: "pager",
      kind: "webhook",
      url: "https://pager.example.com/hook",
      events: ["approval.*"],
      enabled: true,
    });
    const json = await shell.run(["notifications", "channels", "apply", "-f", "-", "--json"], {
      stdin: YAML,
    });
    expect(JSON.parse(json.stdout)).toMatchObject({ items: [{ name: "pager", secret: "whsec_abc" }] });
  });

  it.each([
    ["no YAML", "name: [", /not valid YAML/],
    [
      "an unknown event",
      YAML.replace("approval.*", "moon.rose"),
      /channel 1: events\.0: use an event such as/,
    ],
    ["a field that there is not", `${YAML}colour: red\n`, /channel 1: document: /],
    ["a secret of the wrong form", `${YAML}secret: hunter2hunter2\n`, /channel 1: secret: use whsec_/],
    ["one of two that is wrong", `${YAML}---\nname: x\n`, /channel 2: /],
    ["the same twice", `${YAML}---\n${YAML}`, /pager is described twice/],
    ["nothing", "---\n", /holds no notification channel/],
  ])("applies nothing of %s, and quotes no secret", async (_what, text, message) => {
    const file = path.join(shell.directory, "channels.yaml");
    await writeFile(file, text);
    const { code, stderr } = await shell.run(["notifications", "channels", "apply", "-f", file]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("hunter2");
    expect(controlPlane.requests).toEqual([]);
  });

  it("deletes and tests one", async () => {
    controlPlane.route("DELETE /notification-channels/pager", () => ({ status: 204 }));
    controlPlane.route("POST /notification-channels/pager/test", () => ({
      body: deliveryOf({ state: "pending" }),
    }));
    const channels = ["notifications", "channels"];
    expect((await shell.run([...channels, "delete", "pager"])).stdout).toBe("channel pager deleted\n");
    expect(JSON.parse((await shell.run([...channels, "delete", "pager", "--json"])).stdout)).toEqual({
      name: "pager",
      deleted: true,
    });
    expect((await shell.run([...channels, "test", "pager"])).stdout).toBe(
      "a test message is on its way by pager (dddd0001): pending\n",
    );
    const json = await shell.run([...channels, "test", "pager", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "pending" });
  });

  it("passes on that there is no such channel", async () => {
    controlPlane.route("DELETE /notification-channels/x", () =>
      problem("notification_channel_not_found", "none"),
    );
    const { code, stderr } = await shell.run(["notifications", "channels", "delete", "x"]);
    expect({ code, stderr }).toEqual({ code: EXIT.failure, stderr: "error: none\n" });
  });
});

describe("notifications", () => {
  it("lists what was given up, with why", async () => {
    const hostile = deliveryOf({ lastError: "HTTP 500 \u001b]0;x\u0007\nok" });
    controlPlane.route("GET /notification-deliveries", () => ({ body: { items: [hostile] } }));
    const { stdout } = await shell.run(["notifications", "list", "--state", "dead", "--channel", "pager"]);
    expect(stdout).toMatch(/^ID .*\ndddd0001 {2}dead .* {2}8 {6}- {5}HTTP 500 \\x1b\]0;x\\x07\\nok\n$/);
    expect(controlPlane.requests[0]?.path).toBe("/notification-deliveries?state=dead&channel=pager&limit=50");
    expect(JSON.parse((await shell.run(["notifications", "--json"])).stdout)).toEqual({ items: [hostile] });
    expect((await shell.run(["notifications", "list", "--state", "lost"])).code).toBe(EXIT.usage);
  });

  it("tries again", async () => {
    controlPlane.route("GET /notification-deliveries", () => ({ body: { items: [deliveryOf()] } }));
    controlPlane.route(`POST /notification-deliveries/${idOf("dddd0001")}/retry`, () => ({
      body: deliveryOf({ state: "pending" }),
    }));
    expect((await shell.run(["notifications", "retry", "dddd0001"])).stdout).toBe(
      "dddd0001 is sent again by pager\n",
    );
    const json = await shell.run(["notifications", "retry", "dddd0001", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "pending" });
  });
});
