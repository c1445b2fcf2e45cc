// What passes through Drawbridge, beside what passes without it: the same, byte for byte.
import path from "node:path";
import { freePort, SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Program } from "./program.js";
import { programs } from "./programs.js";
import { type Door, postRaw, type RawAnswer } from "./raw-session.js";
import { scriptable, System } from "./system.js";

vi.setConfig({ testTimeout: 60_000 });

const VERBATIM = path.join(import.meta.dirname, "fixtures/verbatim-server.mjs");
const MODERN = "2026-07-28";
const WAYS = ["over HTTP", "over stdio"] as const;

let system: System;
let server: Program;
let direct: Door;
const through = {} as Record<(typeof WAYS)[number], Door>;

beforeAll(async () => {
  const port = await freePort();
  direct = { url: `http://127.0.0.1:${port}/mcp`, token: "none" };
  system = await System.start({
    allow: {
      commands: [{ command: programs.node, arguments: [VERBATIM] }, ...scriptable(["dual"])],
      urls: [direct.url],
    },
  });
  server = new Program({
    name: "verbatim server",
    command: programs.node,
    args: [VERBATIM, String(port)],
    cwd: system.directory,
    env: { PATH: "/usr/bin:/bin", HOME: system.directory },
  });
  await server.start();
  await server.until(async () => {
    const response = await fetch(direct.url);
    await response.body?.cancel();
  }, 30_000);
  await system.applyTarget("http", { http: { url: direct.url } });
  await system.applyTarget("stdio", { stdio: { command: programs.node, arguments: [VERBATIM] } });
  await system.applyTarget("slow", {
    stdio: { command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, "dual"] },
  });
  await system.allow("slow");
  await system.allow("http");
  await system.allow("stdio");
  through["over HTTP"] = await system.door("http");
  through["over stdio"] = await system.door("stdio");
});
afterAll(async () => {
  await server?.stop();
  await system?.stop();
});

/** What is sent as text, so that nothing here tidies it up. */
interface Conversation {
  readonly door: Door;
  say(id: string, lines: readonly string[], token?: string): Promise<RawAnswer>;
  heard(): Promise<readonly string[]>;
}

/** The headers of a session that is open. */
async function openLegacy(door: Door, revision: string): Promise<Record<string, string>> {
  const initialize = `{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"${revision}","capabilities":{},"clientInfo":{"name":"differential","version":"1"}}}`;
  const { sessionId = "" } = await postRaw(door, initialize);
  const headers = { "mcp-session-id": sessionId, "mcp-protocol-version": revision };
  await postRaw(door, '{"jsonrpc":"2.0","method":"notifications/initialized"}', { headers });
  return headers;
}

async function legacy(door: Door, revision: string): Promise<Conversation> {
  const headers = await openLegacy(door, revision);
  const call = (id: string, params: string) =>
    postRaw(door, `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`, { headers });
  return conversation(door, call, "");
}

const MODERN_META = `"io.modelcontextprotocol/protocolVersion":"${MODERN}","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"differential","version":"1"}`;

function modern(door: Door): Conversation {
  const call = (id: string, params: string) => {
    const name = /"name":"(\w+)"/.exec(params)?.[1] ?? "";
    const headers = { "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name };
    return postRaw(door, `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`, {
      headers,
    });
  };
  return conversation(door, call, MODERN_META);
}

function conversation(
  door: Door,
  call: (id: string, params: string) => Promise<RawAnswer>,
  meta: string,
): Conversation {
  const metaWith = (token?: string) =>
    `"_meta":{${[meta, token === undefined ? "" : `"progressToken":${token}`].filter(Boolean).join(",")}}`;
  return {
    door,
    say: (id, lines, token) =>
      call(id, `{"name":"say","arguments":{"lines":${JSON.stringify(lines)}},${metaWith(token)}}`),
    heard: async () => {
      const { messages } = await call('"heard"', `{"name":"heard","arguments":{},${metaWith()}}`);
      const result = messages[0]?.result as { structuredContent?: { heard?: string[] } } | undefined;
      return result?.structuredContent?.heard ?? [];
    },
  };
}

const ERAS = [
  { era: "2025-03-26", open: (door: Door) => legacy(door, "2025-03-26") },
  { era: "2025-11-25", open: (door: Door) => legacy(door, "2025-11-25") },
  { era: MODERN, open: (door: Door) => Promise.resolve(modern(door)) },
];

const RESPONSES: Readonly<Record<string, readonly string[]>> = {
  "numbers no double can hold": [
    '{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[],"structuredContent":{"a":1234567890123456789,"b":1.0,"c":-0,"d":1e400,"e":0.1000,"f":12345678901234567890.5}}}',
  ],
  "unknown members everywhere": [
    '{"vendor":{"x":1},"jsonrpc":"2.0","result":{"resultType":"complete","content":[{"type":"hologram","beam":[1,2],"_meta":{"a/b":null}}],"later":true,"_meta":{"com.example/trace":"t","io.modelcontextprotocol/future":{"k":"v"}}},"id":@id@,"z":[]}',
  ],
  "the id in the middle and white space": [
    '{ "result" : { "resultType": "complete", "content" : [ ] } , "id" :  @id@ ,\t"jsonrpc" : "2.0" }',
  ],
  "escapes as they were written": [
    '{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[{"type":"text","text":"\\u0041\\/ \\ud83d\\ude00 😀 \\u00e9 é \\t"}]}}',
  ],
  "an error with data": [
    '{"jsonrpc":"2.0","id":@id@,"error":{"code":-32042,"message":"open this","data":{"elicitations":[{"mode":"url","elicitationId":"1","url":"https://example.com/x","message":"m"}],"n":1.50}}}',
  ],
  "progress, then the response": [
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":@token@,"progress":0.10,"total":1.0,"message":"a","extra":{"n":10000000000000001}}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1e0,"progressToken":@token@}}',
    '{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[]}}',
  ],
  "a log message": [
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"l","data":{"n":1.0,"big":98765432109876543210}}}',
    '{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[]}}',
  ],
  "an opaque state that looks like a secret": [
    '{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","requestState":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl","nextCursor":"4111111111111111","content":[]}}',
  ],
};

const IDS = ["0", "-1", "9007199254740993", "123456789012345678901234567890", '"1"', '""', '"ü\\u0041 "'];

describe.each(ERAS)("revision $era", ({ open }) => {
  describe.each(WAYS)("%s", (way) => {
    test.each(Object.keys(RESPONSES))("%s: comes out as it went in", async (name) => {
      const lines = RESPONSES[name] ?? [];
      const [without, within] = [await open(direct), await open(through[way])];
      const expected = await without.say("7", lines, '"token-1"');
      const got = await within.say("7", lines, '"token-1"');
      expect(got.text).toBe(expected.text);
      expect(got.text.split("\n")).toHaveLength(lines.length);
      expect(got.status).toBe(expected.status);
    });

    test.each(IDS)("the id and the token %s keep their text", async (id) => {
      const within = await open(through[way]);
      const { text } = await within.say(id, RESPONSES["progress, then the response"] ?? [], id);
      const [first, , last] = text.split("\n");
      expect(first).toContain(`"progressToken":${id},`);
      expect(last).toContain(`"id":${id},`);
    });

    test("a request reaches the server as it was sent", async () => {
      const within = await open(through[way]);
      const lines = ['{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[]}}'];
      await within.say("12345678901234567890", lines, '"t"');
      const sent = (await within.heard()).filter((text) => text.includes('"say"'));
      const argumentsText = `"arguments":{"lines":${JSON.stringify(lines)}}`;
      expect(sent.at(-1)).toContain(argumentsText);
      expect(sent.at(-1)?.startsWith('{"jsonrpc":"2.0","id":')).toBe(true);
    });

    test("ten megabytes pass", async () => {
      const within = await open(through[way]);
      const text = "lorem ipsum ".repeat(850_000);
      const line = `{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[{"type":"text","text":"${text}"}]}}`;
      const got = await within.say("1", [line]);
      expect(got.text.length).toBe(line.length - "@id@".length + 1);
      expect(got.text).toBe(line.replace("@id@", "1"));
    });
  });
});

test.each(WAYS)("two clients of one principal may use one id at once, %s", async (way) => {
  const clients = await Promise.all([1, 2, 3].map(() => Promise.resolve(modern(through[way]))));
  const answers = await Promise.all(
    clients.map((client, index) =>
      client.say('"same"', [
        `{"jsonrpc":"2.0","id":@id@,"result":{"resultType":"complete","content":[],"for":${index}}}`,
      ]),
    ),
  );
  expect(answers.map(({ messages }) => (messages[0]?.result as { for?: number } | undefined)?.for)).toEqual([
    0, 1, 2,
  ]);
});

test.each(WAYS)("an error without an id does not end the session, %s", async (way) => {
  const within = await legacy(through[way], "2025-11-25");
  const { text } = await within.say("1", [
    '{"jsonrpc":"2.0","error":{"code":-32700,"message":"nothing in particular"},"id":null}',
    '{"jsonrpc":"2.0","id":@id@,"result":{"content":[]}}',
  ]);
  expect(text).toContain('"id":1,"result"');
  expect((await within.say("2", ['{"jsonrpc":"2.0","id":@id@,"result":{"content":[]}}'])).status).toBe(200);
});

describe("whoever leaves in the middle of a call", () => {
  /** Sends the call, leaves after its headers and maybe its first bytes have come, and gives what it was told by then. */
  async function leave(body: string, headers: Record<string, string>): Promise<string> {
    const { url, token } = await system.door("slow");
    const leaving = new AbortController();
    const response = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...headers,
      },
      body,
      signal: leaving.signal,
    });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    leaving.abort();
    return Buffer.from(first?.value ?? []).toString("utf8");
  }

  const slow = (ms: number, meta: string) =>
    `{"name":"slow","arguments":{"ms":${ms}},"_meta":{${[meta, '"progressToken":"p"'].filter(Boolean).join(",")}}}`;

  test("at 2026-07-28 cancels it", async () => {
    const headers = (name: string) => ({
      "mcp-protocol-version": MODERN,
      "mcp-method": "tools/call",
      "mcp-name": name,
    });
    const call = (id: string, params: string) =>
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;
    await leave(call('"left"', slow(60_000, MODERN_META)), headers("slow"));
    const cancelled = async () => {
      const asked = call('"asks"', `{"name":"cancellations","arguments":{},"_meta":{${MODERN_META}}}`);
      const { messages } = await postRaw(await system.door("slow"), asked, {
        headers: headers("cancellations"),
      });
      const result = messages[0]?.result as { structuredContent?: { ids?: unknown[] } } | undefined;
      return result?.structuredContent?.ids ?? [];
    };
    await expect.poll(cancelled, { timeout: 10_000 }).toHaveLength(1);
  });

  test("at 2025-11-25 does not, and gets the answer when it comes back", async () => {
    const door = await system.door("slow");
    const headers = await openLegacy(door, "2025-11-25");
    const body = `{"jsonrpc":"2.0","id":"left","method":"tools/call","params":${slow(1_500, "")}}`;
    const first = await leave(body, headers);
    const idsIn = (text: string) => [...text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id ?? "");
    const lastEventId = idsIn(first).at(-1) ?? "";
    expect(lastEventId).not.toBe("");
    const resumed = await fetch(door.url, {
      headers: {
        authorization: `Bearer ${door.token}`,
        accept: "text/event-stream",
        "last-event-id": lastEventId,
        ...headers,
      },
    });
    const text = await resumed.text();
    expect(text).toContain('"id":"left"');
    expect(text).toContain("slept 1500 ms");
    // Every message once, whichever stream it came on.
    const ids = idsIn(first + text);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test.each(WAYS)("somebody else's session is none, %s", async (way) => {
  const headers = await openLegacy(through[way], "2025-11-25");
  const target = way === "over HTTP" ? "http" : "stdio";
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  expect((await postRaw(await system.door(target, "admin"), ping, { headers })).status).toBe(404);
  expect((await postRaw(through[way], ping, { headers })).status).not.toBe(404);
});

describe.each([
  ["an encoded name", "=?base64?Z3LDvMOfZQ==?=", 404, -32601],
  ["another name", "=?base64?YW5kZXJz?=", 400, -32020],
  ["a name that is not encoded well", "=?base64?Z3LDvMOfZQ=?=", 400, -32020],
])("%s in a header", (_what, name, status, code) => {
  test.each(WAYS)("%s", async (way) => {
    const headers = { "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name };
    const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"grüße","arguments":{},"_meta":{${MODERN_META}}}}`;
    const answer = await postRaw(through[way], call, { headers });
    expect(answer.status).toBe(status);
    expect(answer.messages[0]).toMatchObject({ id: 1, error: { code } });
  });
});
