// The load generator, in a process of its own: one sequential loop of tool calls per session over plain node:http.
// An answer that is not a result ends the measurement: errors are fast, and would make any system look good.
import http from "node:http";
import type { LoadOutcome, LoadWish } from "./load-generator.js";

const ANSWER_WITHIN_MS = 30_000;

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

interface Session {
  readonly wish: LoadWish;
  readonly agent: http.Agent;
  readonly headers: Record<string, string>;
  nextId: number;
}

function send(session: Session, method: string, body?: string): Promise<Answer> {
  const headers = body === undefined ? session.headers : { ...session.headers, "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(session.wish.url, { method, headers, agent: session.agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    request.setTimeout(ANSWER_WITHIN_MS, () =>
      request.destroy(new Error(`${session.wish.url} gave no answer within ${ANSWER_WITHIN_MS} ms`)),
    );
    request.on("error", reject);
    request.end(body);
  });
}

async function request(session: Session, method: string, params: unknown): Promise<{ answer: Answer; result: unknown }> {
  const id = session.nextId++;
  const answer = await send(session, "POST", JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  return { answer, result: resultOf(answer, id) };
}

interface Message {
  id?: unknown;
  result?: unknown;
  error?: unknown;
}

function resultOf({ status, headers, body }: Answer, id: number): unknown {
  const isStream = headers["content-type"]?.startsWith("text/event-stream") === true;
  const text = isStream ? dataOf(body, id) : body;
  const message = status === 200 && text !== "" ? (JSON.parse(text) as Message) : {};
  if (message.id !== id || message.result === undefined || isToolError(message.result)) {
    throw new Error(`a call was answered with HTTP ${status}: ${body.slice(0, 500)}`);
  }
  return message.result;
}

function isToolError(result: unknown): boolean {
  return (result as { isError?: boolean }).isError === true;
}

/** Some peers answer every call with a stream of one event. */
function dataOf(stream: string, id: number): string {
  const events = stream.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return events.map((line) => line.slice("data:".length)).find((data) => data.includes(`"id":${id}`)) ?? "";
}

async function openSession(wish: LoadWish, agent: http.Agent): Promise<Session> {
  const headers = {
    ...wish.headers,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const session: Session = { wish, agent, headers, nextId: 1 };
  const { answer } = await request(session, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "drawbridge-bench", version: "1" },
  });
  const sessionId = answer.headers["mcp-session-id"];
  if (typeof sessionId === "string") session.headers["mcp-session-id"] = sessionId;
  session.headers["mcp-protocol-version"] = "2025-11-25";
  const { status } = await send(session, "POST", JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  if (status !== 202) throw new Error(`notifications/initialized was answered with HTTP ${status}`);
  return session;
}

/** Calls until the deadline; only calls that begin after `countFrom` are timed. */
async function callUntil(session: Session, countFrom: number, deadline: number): Promise<{ answered: number; latencies: number[] }> {
  const latencies: number[] = [];
  let answered = 0;
  for (let begun = performance.now(); begun < deadline; begun = performance.now()) {
    await request(session, "tools/call", session.wish.call);
    answered += 1;
    if (begun >= countFrom) latencies.push(performance.now() - begun);
  }
  return { answered, latencies };
}

async function measure(wish: LoadWish): Promise<LoadOutcome> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: wish.sessions, maxFreeSockets: wish.sessions });
  try {
    const sessions: Session[] = [];
    for (let index = 0; index < wish.sessions; index += 1) sessions.push(await openSession(wish, agent));
    const [first] = sessions;
    if (first === undefined) throw new Error("a load needs a session at least");
    const sample = JSON.stringify((await request(first, "tools/call", wish.call)).result);

    const countFrom = performance.now() + wish.warmUpMs;
    const deadline = countFrom + wish.measureMs;
    process.send?.({ begins: wish.warmUpMs });
    const parts = await Promise.all(sessions.map((session) => callUntil(session, countFrom, deadline)));
    const elapsedMs = performance.now() - countFrom;

    for (const session of sessions) await send(session, "DELETE");
    return {
      sample,
      elapsedMs,
      answered: parts.reduce((sum, { answered }) => sum + answered, 1),
      latenciesMs: Float64Array.from(parts.flatMap(({ latencies }) => latencies)),
    };
  } finally {
    agent.destroy();
  }
}

process.on("message", (wish: LoadWish) => {
  measure(wish).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ failure: error.message }),
  );
});
process.on("disconnect", () => process.exit(0));
