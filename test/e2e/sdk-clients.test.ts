import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {
  eventually,
  freePort,
  type ScriptableHttpServer,
  startScriptableHttpServer,
} from "@drawbridge/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disclosed, discloses } from "./disclosure.js";
import type { Program } from "./program.js";
import {
  allGone,
  applyFiles,
  applyShop,
  FILE_TOKEN,
  realCommands,
  type Shop,
  startEverything,
} from "./real-targets.js";
import { SDK_GENERATIONS, type SdkClient, type ToolResult } from "./sdk-client.js";
import { System } from "./system.js";

/** Looks like a card number and fails the check digit: nothing to mask, and the search has to find it. */
const HARMLESS = "4000-0012-3456-7891";
const TARGETS = ["shop", "files", "everything", "script"];

let system: System;
let shop: Shop;
let everything: Program | undefined;
let scriptable: ScriptableHttpServer | undefined;
let folder: string;
/** All that any client was given, as text. */
const given: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "drawbridge-files-"));
  const port = await freePort();
  scriptable = await startScriptableHttpServer();
  const urls = [`http://127.0.0.1:${port}/mcp`, scriptable.url];
  system = await System.start({ allow: { commands: realCommands(folder), urls } });
  everything = await startEverything(port, system.directory);
  shop = await applyShop(system);
  await applyFiles(system, folder);
  await system.applyTarget("everything", { http: { url: urls[0] ?? "" } });
  await system.applyTarget("script", { http: { url: scriptable.url, headers: { "x-api-key": "injected" } } });
  await system.allow("shop", { tools: ["execute_sql"] });
  await system.allow("files", { tools: ["list_*", "read_*"] });
  await system.allow("everything");
  await system.allow("script");
});
afterAll(async () => {
  await everything?.stop();
  await system?.stop();
  await scriptable?.close();
  await rm(folder, { recursive: true, force: true });
});

async function withClient(
  connect: (door: { url: string; token: string }) => Promise<SdkClient>,
  target: string,
  work: (client: SdkClient) => Promise<void>,
): Promise<void> {
  const client = await connect(await system.door(target));
  try {
    await work(client);
  } finally {
    await client.close();
  }
}

const keep = (result: ToolResult): ToolResult => {
  given.push(result.text);
  return result;
};

describe.each(SDK_GENERATIONS)("$name", ({ connect }) => {
  test("queries a database through a third-party server, with what is secret masked", async () => {
    await withClient(connect, "shop", async (client) => {
      expect(await client.listTools()).toEqual(["execute_sql"]);
      const customers = keep(await client.callTool("execute_sql", { sql: "select * from customers" }));
      expect(customers.isError).toBe(false);
      expect(customers.text).toContain("Ada Lovelace");
      expect(customers.text).toContain("[REDACTED:");
      const sql = `select *, '${HARMLESS}' as reference from integrations`;
      const integrations = keep(await client.callTool("execute_sql", { sql }));
      expect(integrations.text).toContain("payments");
      expect(integrations.text).toContain("[REDACTED:");
      // As one column that nothing but its content tells to be secret, and with separators.
      const disguised = keep(
        await client.callTool("execute_sql", {
          sql: "select regexp_replace(card_number, '(....)(?=.)', '\\1 ', 'g') as a, name || ' ' || card_number as b from customers",
        }),
      );
      expect(disguised.text).toContain("Ada Lovelace [REDACTED:");
      const broken = keep(await client.callTool("execute_sql", { sql: "select nonsense from nowhere" }));
      expect(broken.isError).toBe(true);
      expect(broken.text).toContain("nowhere");
      await expect(client.callTool("search_objects", {})).rejects.toThrow("Unknown tool: search_objects");
    });
  });

  test("reads files and cannot see the tools that would write", async () => {
    await withClient(connect, "files", async (client) => {
      const tools = await client.listTools();
      expect(tools).toContain("read_text_file");
      expect(tools.filter((name) => !/^(list|read)_/.test(name))).toEqual([]);
      const welcome = await client.callTool("read_text_file", { path: path.join(folder, "welcome.md") });
      expect(welcome.text).toContain("# Welcome");
      const secret = keep(await client.callTool("read_text_file", { path: path.join(folder, "deploy.env") }));
      expect(secret.text).toMatch(/^API_TOKEN=\[REDACTED:/);
      const target = path.join(folder, "planted.txt");
      await expect(client.callTool("write_file", { path: target, content: "x" })).rejects.toThrow(
        "Unknown tool: write_file",
      );
    });
  });

  test("hears progress over Streamable HTTP", async () => {
    await withClient(connect, "everything", async (client) => {
      expect(client.server()).toBe("mcp-servers/everything");
      expect((await client.callTool("echo", { message: "hello" })).text).toContain("hello");
      const heard: number[] = [];
      const args = { duration: 0.5, steps: 4 };
      const result = await client.callTool("trigger-long-running-operation", args, (at) => heard.push(at));
      expect(result.text).toContain("completed");
      // The last one may be overtaken by the result that ends the waiting for it.
      await eventually(() => heard.length >= 3);
      expect(heard).toEqual([1, 2, 3, 4].slice(0, heard.length));
    });
  });

  test("hears what the target says without being asked", async () => {
    await withClient(connect, "script", async (client) => {
      let changes = 0;
      client.onToolsChanged(() => (changes += 1));
      await client.callTool("notify", {});
      await eventually(() => changes === 1);
      expect((await client.callTool("fail")).isError).toBe(true);
    });
  });
});

describe("afterwards", () => {
  test("a target that speaks both eras was used in the newer one, the others in the older", async () => {
    const { items } = (await system.api().demand("GET", "sessions?limit=200")) as {
      items: { id: string; target: string; era: string; closedAt: string | null; closeReason: string }[];
    };
    const modern = items.filter(({ era }) => era === "modern");
    // Who asks in vain falls back; nothing of the question stays open.
    expect(
      modern
        .filter(({ closedAt }) => closedAt !== null)
        .map(({ target }) => target)
        .toSorted(),
    ).toEqual(["everything", "files", "script"]);
    const open = modern.filter(({ closedAt }) => closedAt === null);
    expect(open.map(({ target }) => target)).toEqual(["shop"]);
    // It has no end of its own but idleness.
    for (const { id } of open) await system.api().demand("DELETE", `sessions/${id}`);
  });

  test("no secret of the shop or the files is in what clients got or in any recording", async () => {
    const secrets = [...shop.cards, ...shop.passwordHashes, ...shop.apiKeys, FILE_TOKEN];
    expect(secrets.length).toBe(27);
    const api = system.api();
    const recordings = (await Promise.all(TARGETS.map((target) => api.recordings(target)))).flat();
    const exports = await Promise.all(recordings.map(({ id }) => api.exportText(id)));
    const fallBacks = TARGETS.length - 1;
    expect(recordings.length).toBe(TARGETS.length * SDK_GENERATIONS.length + fallBacks);
    for (const text of [given.join("\n"), exports.join("\n")]) {
      expect(disclosed(text, secrets)).toEqual([]);
      expect(discloses(text, HARMLESS)).toBe(true);
      expect(discloses(text, HARMLESS.replaceAll("-", ""))).toBe(true);
      expect(discloses(text, "Ada Lovelace")).toBe(true);
    }
    for (const { id } of recordings) expect(await api.verify(id)).toMatchObject({ ok: true, final: true });
  });

  test("the search finds a card number with any separators, and a value inside of JSON", () => {
    const [card = ""] = shop.cards;
    for (const separator of ["", " ", "-", "\\n", ". "]) {
      expect(discloses(`card ${card.match(/.{4}/g)?.join(separator)}!`, card)).toBe(true);
    }
    expect(discloses(JSON.stringify({ note: 'say "x"' }), 'say "x"')).toBe(true);
  });

  test("the callers' tokens, cookies and headers ended at the control plane", async () => {
    const requests = scriptable?.requests ?? [];
    expect(requests.length).toBeGreaterThan(0);
    const names = new Set(requests.flatMap(({ headers }) => Object.keys(headers)));
    expect(
      [...names].filter((name) => /^(authorization|cookie|proxy-.*|x-planted|x-forwarded-.*)$/.test(name)),
    ).toEqual([]);
    expect(requests.every(({ headers }) => headers["x-api-key"] === "injected")).toBe(true);
    const seen = requests.map(({ headers, body }) => JSON.stringify(headers) + body).join("\n");
    const said = [seen, system.agent.output, system.controlPlane.output, everything?.output].join("\n");
    // The secret part alone would do harm: a token's signature, the middle of a join token.
    const parts = system.tokens.flatMap((token) => token.split(".")).filter((part) => part.length > 40);
    const fingerprint = system.tokens
      .find((token) => token.startsWith("drawbridge-join"))
      ?.split(".")
      .at(-1);
    const secrets = new Set(parts.filter((part) => part !== fingerprint));
    expect(secrets.size).toBeGreaterThan(20);
    expect(disclosed(said, [...secrets, "planted-cookie"])).toEqual([]);
  });

  test("the logs hold no secret, password or content", () => {
    const logs = `${system.agent.output}\n${system.controlPlane.output}`;
    const { appUrl, ownerUrl } = system.postgres;
    const passwords = [appUrl, ownerUrl, shop.dsn].map((url) => new URL(url).password);
    const content = ["Ada Lovelace", HARMLESS, "nowhere", "injected"];
    const secrets = [...shop.cards, ...shop.passwordHashes, ...shop.apiKeys, FILE_TOKEN, shop.dsn];
    expect(disclosed(logs, [...passwords, ...content, ...secrets])).toEqual([]);
    expect(discloses(logs, "session opened")).toBe(true);
  });

  test("nothing is left: no child, no open session", async () => {
    await allGone(system);
    expect(await system.openSessions()).toBe(0);
    expect(scriptable?.sessionIds()).toEqual([]);
  });
});
