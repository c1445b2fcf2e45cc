import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createMasker } from "@drawbridge/masking";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  errorResponse,
  MalformedMessageError,
  type McpMessage,
  parseBody,
  parseMessage,
  standardHeaders,
} from "@drawbridge/mcp";
import {
  CLIENT_MESSAGES,
  fuzz,
  inPieces,
  mutatedBytes,
  mutatedMessage,
  type Random,
} from "@drawbridge/testing";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { GatewayUnderTest, initializeRequest } from "./fakes/gateway-under-test.js";
import { ENGINEERS_READ, withRule } from "./fakes/policies.js";
import { SessionsService } from "./sessions/sessions.service.js";

const POLICY = withRule(
  ENGINEERS_READ,
  "{ name: others, methods: [vendor/thing, subscriptions/listen, completion/complete], effect: allow }",
);
/** In which a connection has to be answered or closed, once all of the request was sent. */
const WAIT_MS = 8_000;
/** A request that does not say so may not be over yet: then its sender leaves. */
const SILENCE_MS = 150;

let gateway: GatewayUnderTest;
let token: string;
/** By the revision they negotiated. */
const sessions = new Map<string, { readonly id: string; readonly key: string }>();
/** The requests that reached the target, masked, by session and exchange. */
const reachedTarget = new Map<string, string>();
const masker = createMasker();

beforeAll(async () => {
  gateway = await GatewayUnderTest.start(POLICY);
  // A day, which is longer than any run.
  const claims = { exp: Math.floor(Date.now() / 1_000) + 86_400 };
  token = await gateway.identity.issueToken({ username: "alice", resource: "mcp", claims });
  gateway.links.script = () => answersTo(gateway.links.sent.at(-1)?.text ?? "");
});
afterAll(() => gateway.stop());

/** The target answers each request with its own id, to the letter. */
function answersTo(text: string): string[] {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== "request") return [];
  if (message.method === "vendor/thing")
    return [Buffer.from(errorResponse(message.id, { code: -32_601, message: "no" })).toString()];
  const result =
    message.method === "initialize" ? `{"protocolVersion":"${versionIn(message)}"}` : `{"ok":1.0}`;
  return [`{"jsonrpc":"2.0","id":${message.id.text},"result":${result}}`];
}

function versionIn({ protocolVersionClaim }: McpMessage & { kind: "request" }): string {
  const { version = "" } = protocolVersionClaim ?? {};
  return ["2025-03-26", "2025-06-18"].includes(version) ? version : "2025-11-25";
}

async function sessionOf(revision: string): Promise<string> {
  const known = sessions.get(revision);
  if (known !== undefined) return known.key;
  const opened = await gateway.post("shop", initializeRequest(1, revision));
  const key = opened.headers.get("mcp-session-id");
  const id = opened.headers.get("drawbridge-session");
  if (!key || !id) throw new Error(`initialize answered ${opened.status} ${opened.text}`);
  sessions.set(revision, { id, key });
  return key;
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Header = readonly [name: string, value: string];

const STRANGE_VALUES = [
  "",
  " ",
  "2026-07-28",
  "2025-11-25",
  "tools/call",
  "ping",
  "read",
  "destroy",
  "0",
  "-1",
  "1e9",
  "0x10",
  "99999999999999",
  "text/plain",
  "application/json; charset=utf-16",
  "application/json",
  "text/event-stream",
  "*/*",
  "gzip",
  "chunked",
  "x".repeat(9_000),
  "=?base64?cmVhZA==?=",
  "\xff\xfe",
  "Bearer x",
  "evil.test",
  "http://evil.test",
  "1-0",
  "close",
  "100-continue",
  "h2c",
];
const STRANGE_NAMES = [
  "content-length",
  "transfer-encoding",
  "content-encoding",
  "mcp-session-id",
  "mcp-protocol-version",
  "mcp-method",
  "mcp-name",
  "mcp-param-a",
  "last-event-id",
  "origin",
  "host",
  "expect",
  "upgrade",
  "accept",
  "authorization",
  "connection",
  "x-y",
];
const STRANGE_PATHS = [
  "/mcp/none",
  "/mcp/",
  "/mcp/shop/",
  "/mcp/shop?x=1",
  "/mcp/SHOP",
  "/mcp/../mcp/shop",
  "/mcp/sh%6fp",
  "*",
];
const STRANGE_METHODS = ["GET", "DELETE", "PUT", "OPTIONS", "HEAD", "post", "PRI", "CONNECT"];

function accepted(body: Uint8Array): readonly McpMessage[] {
  try {
    return parseBody(body).messages.filter(
      (each) => !(each instanceof MalformedMessageError),
    ) as McpMessage[];
  } catch (error) {
    if (error instanceof MalformedMessageError) return [];
    throw error;
  }
}

/** What an honest client would send with the body, in a session of that revision if it needs one. */
async function honestHeaders(body: Uint8Array, revision: string): Promise<Header[]> {
  const { host } = new URL(gateway.config.publicUrl);
  const [message] = accepted(body);
  const common: Header[] = [
    ["Host", host],
    ["Authorization", `Bearer ${token}`],
    ["Accept", "application/json, text/event-stream"],
    ["Content-Type", "application/json"],
    ["Connection", "close"],
  ];
  if (message?.kind === "request" && message.method === "initialize") return common;
  if (message && message.kind !== "response" && message.protocolVersionClaim?.from === "meta")
    return [...common, ...Object.entries(standardHeaders(message))];
  return [...common, ["Mcp-Session-Id", await sessionOf(revision)]];
}

function altered(headers: readonly Header[], random: Random): Header[] {
  return headers.flatMap((header): Header[] => {
    const [name, value] = header;
    switch (random.below(60)) {
      case 0:
        return [];
      case 1:
        return [header, header];
      case 2:
        return [header, [name.toUpperCase(), random.pick(STRANGE_VALUES)]];
      case 3:
        return [[name, random.pick(STRANGE_VALUES)]];
      case 4:
        return [[name, mutatedBytes(Buffer.from(value), random).toString("latin1")]];
      case 5:
        return [header, [random.pick(STRANGE_NAMES), random.pick(STRANGE_VALUES)]];
      default:
        return [header];
    }
  });
}

interface Framed {
  readonly header: Header;
  readonly body: Uint8Array;
  /** More is announced than comes. */
  readonly isCut: boolean;
}

function framed(body: Uint8Array, random: Random): Framed {
  const { length } = body;
  if (random.oneIn(4)) {
    const chunks = inPieces(body, random).filter((piece) => piece.length > 0);
    const parts = chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, CRLF]);
    const isCut = random.oneIn(12);
    const end = isCut ? [] : [Buffer.from("0\r\n\r\n")];
    return { header: ["Transfer-Encoding", "chunked"], body: Buffer.concat([...parts, ...end]), isCut };
  }
  const declared = random.oneIn(12) ? random.pick([0, length - 1, length + 1, length + 70_000]) : length;
  return { header: ["Content-Length", String(declared)], body, isCut: declared > length };
}

const CRLF = Buffer.from("\r\n");

interface Wire {
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

async function wireOf(body: Uint8Array, random: Random): Promise<Wire> {
  const revision = random.pick(["2025-03-26", "2025-06-18", "2025-11-25", "2025-11-25"]);
  const headers = altered(await honestHeaders(body, revision), random);
  const { header, body: framedBody, isCut } = framed(body, random);
  const method = random.oneIn(40) ? random.pick(STRANGE_METHODS) : "POST";
  const path = random.oneIn(40) ? random.pick(STRANGE_PATHS) : "/mcp/shop";
  const lines = [...headers, header].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, "latin1");
  const whole = Buffer.concat([random.oneIn(30) ? mutatedBytes(head, random) : head, framedBody]);
  if (!random.oneIn(10)) return { bytes: whole, isCut };
  // A second request right behind the first.
  const keepsOpen = Buffer.from(whole.toString("latin1").replace("Connection: close\r\n", ""), "latin1");
  return { bytes: Buffer.concat([keepsOpen, whole]), isCut };
}

// ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────────

async function talk({ bytes, isCut }: Wire, random: Random): Promise<string> {
  const { port } = new URL(gateway.config.publicUrl);
  const socket = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
  let heard = "";
  socket.on("error", () => undefined);
  socket.on("data", (data: Buffer) => (heard += data.toString("latin1")));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.once("end", () => socket.end());
  for (const part of random.oneIn(4) ? thirds(bytes) : [bytes]) {
    socket.write(part);
    if (part.length < bytes.length) await sleep(1);
  }
  if (isCut) socket.end();
  const leaving = leaveWhenSilent(socket, () => heard.length);
  try {
    const late = sleep(WAIT_MS, "late");
    if ((await Promise.race([closed, late])) === "late")
      throw new Error(`neither answered nor closed in time; heard ${JSON.stringify(heard.slice(0, 500))}`);
  } finally {
    clearInterval(leaving);
    socket.destroy();
  }
  return heard;
}

function thirds(bytes: Buffer): Buffer[] {
  const third = Math.ceil(bytes.length / 3);
  return [bytes.subarray(0, third), bytes.subarray(third, 2 * third), bytes.subarray(2 * third)];
}

/** Event streams go on, and so does a connection that nobody closes: the client hangs up. */
function leaveWhenSilent(socket: Socket, heard: () => number): NodeJS.Timeout {
  let before = -1;
  return setInterval(() => {
    if (heard() === before) socket.end();
    before = heard();
  }, SILENCE_MS);
}

// ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────

/** What reached the target is what the client sent, to the byte, and only what the policy allows. */
function assertReachedRightly(body: Uint8Array): number {
  const said = new Set(accepted(body).map(({ bytes }) => Buffer.from(bytes).toString("latin1")));
  const reached = gateway.links.sent.splice(0);
  for (const { text, sessionId, exchange } of reached) {
    const bytes = Buffer.from(text).toString("latin1");
    // A length that is too small makes another body of it.
    const isCutOff = Buffer.from(body).toString("latin1").startsWith(bytes);
    assert.ok(said.has(bytes) || isCutOff, `the client did not send ${text}`);
    const kept = Buffer.from(masker.maskMessage(Buffer.from(text)).payload).toString();
    if (exchange > 0) reachedTarget.set(`${sessionId} ${exchange}`, kept);
    const { method, params } = JSON.parse(text) as { method?: string; params?: { name?: unknown } };
    if (method === "tools/call") assert.equal(params?.name, "read");
    assert.ok(method === undefined || ALLOWED.has(method), `${method} is allowed by no rule`);
  }
  return reached.length;
}

const ALLOWED = new Set([
  "initialize",
  "notifications/initialized",
  "ping",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "logging/setLevel",
  "server/discover",
  "notifications/progress",
  "notifications/cancelled",
  "tools/call",
  "vendor/thing",
  "subscriptions/listen",
  "completion/complete",
  "notifications/roots/list_changed",
]);

/** Each answer is HTTP; a refusal is a JSON-RPC error that quotes nothing it should not. */
function assertAnswered(heard: string): void {
  assert.ok(heard === "" || /^HTTP\/1\.1 [1-5][0-9]{2} /.test(heard), `no HTTP: ${heard.slice(0, 200)}`);
  assert.ok(!heard.includes("HTTP/1.1 500"), `something went wrong: ${heard.slice(0, 500)}`);
  assert.ok(!heard.includes(token), "a token is echoed");
}

/** The target tells of what was cancelled; then nothing may be left. */
async function assertClean(): Promise<void> {
  const service = gateway.get(SessionsService);
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    await finishCancelled(service);
    const busy = [...service.all].filter((session) => session.busy || [...session.inFlight].length > 0);
    if (busy.length === 0) break;
    const left = busy.flatMap((session) =>
      [...session.inFlight].map(({ method, id }) => `${method} ${id.text}`),
    );
    if (performance.now() > deadline) throw new Error(`left behind: ${left.join(", ") || "a delivery"}`);
    await sleep(2);
  }
  await tidy(service);
}

async function finishCancelled(service: SessionsService): Promise<void> {
  for (const exchange of gateway.links.cancelled.splice(0)) {
    const waiting = [...service.all].filter(({ inFlight }) =>
      [...inFlight].some(({ number }) => number === exchange),
    );
    for (const { id } of waiting) {
      const { listener } = gateway.links.opened.findLast(({ sessionId }) => sessionId === id) ?? {};
      const failure = ExchangeFailure.OUTCOME_UNKNOWN;
      await listener?.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    }
  }
}

/** Sessions that the input opened are ended; those it ended are opened again when they are needed. */
async function tidy(service: SessionsService): Promise<void> {
  const open = new Set([...service.all].map(({ id }) => id));
  for (const [revision, { id }] of sessions) if (!open.has(id)) sessions.delete(revision);
  const own = new Set([...sessions.values()].map(({ id }) => id));
  for (const session of service.all)
    if (session.era === "legacy" && !own.has(session.id)) await service.end(session, "the test is over");
  const { opened, closed } = gateway.links;
  const kept = opened.filter(({ sessionId }) => open.has(sessionId));
  opened.splice(0, opened.length, ...kept);
  closed.length = 0;
}

interface RecordedPage {
  readonly items: readonly { readonly kind: string; readonly exchange: number; readonly payload?: string }[];
  readonly nextCursor?: string;
}

/** Every request that reached the target is in its recording, as it was sent but masked. */
async function assertRecorded(): Promise<void> {
  const recorded = new Map<string, string | undefined>();
  for (const sessionId of new Set([...reachedTarget.keys()].map((key) => key.split(" ")[0]))) {
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const query = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=200${query}`);
      const page = body as unknown as RecordedPage;
      for (const { kind, exchange, payload } of page.items)
        if (kind === "request") recorded.set(`${sessionId} ${exchange}`, payload);
      cursor = page.nextCursor;
    }
  }
  for (const [key, text] of reachedTarget) assert.equal(recorded.get(key), text, key);
}

test("whatever is sent to the edge, it is answered and nothing stays behind", async () => {
  let reached = 0;
  const check = async (body: Uint8Array, random: Random): Promise<void> => {
    const wire = await wireOf(body, random);
    gateway.links.sent.length = 0;
    assertAnswered(await talk(wire, random));
    await assertClean();
    reached += assertReachedRightly(body);
  };
  const generate = (random: Random) =>
    random.oneIn(3) ? Buffer.from(random.pick(CLIENT_MESSAGES)) : mutatedMessage(random, CLIENT_MESSAGES);
  const surface = { name: "gateway-edge", share: 10, generate, check, isStateful: true };
  const fed = await fuzz(surface, inject("fuzz"));
  await assertRecorded();
  expect(reached).toBeGreaterThan(fed / 20);
});
