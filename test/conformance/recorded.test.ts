import { expect, test } from "vitest";
import type { ExportedEvent } from "../e2e/rest-client.js";
import { compareWithRecordings } from "./recorded.js";
import type { SeenExchange } from "./shim.js";

const REQUEST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
const PROGRESS = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}';
const RESPONSE = '{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}';

const seen = (changes: Partial<SeenExchange> = {}): SeenExchange => ({
  label: "tools-list",
  method: "POST",
  path: "/mcp/target",
  requestHeaders: {},
  requestBody: REQUEST,
  status: 200,
  responseHeaders: { "content-type": "application/json" },
  responseBody: RESPONSE,
  isAborted: false,
  ...changes,
});

const event = (kind: string, payload: string, changes: Partial<ExportedEvent> = {}): ExportedEvent => ({
  index: 0,
  kind,
  direction: kind === "request" ? "client_to_target" : "target_to_client",
  exchange: 1,
  method: "tools/list",
  attributes: {},
  payload,
  ...changes,
});

const compare = (events: ExportedEvent[], ...exchanges: SeenExchange[]) =>
  compareWithRecordings(new Map([["recording", events]]), exchanges);

test("finds a request, what closed it and what the client was given", () => {
  const result = compare([event("request", REQUEST), event("response", RESPONSE)], seen());
  expect(result).toEqual({ found: 2, refused: 0, gaps: [] });
});

test("misses a request that is not recorded, or only once when it was sent twice", () => {
  expect(compare([event("response", RESPONSE)], seen()).gaps).toEqual([
    { scenario: "tools-list", problem: "no request event for tools/list 1" },
  ]);
  const once = [event("request", REQUEST), event("response", RESPONSE)];
  expect(compare(once, seen(), seen()).gaps).toHaveLength(1);
});

test("misses the end of an exchange whose client left", () => {
  const left = seen({ isAborted: true, responseBody: "" });
  expect(compare([event("request", REQUEST)], left).gaps).toEqual([
    { scenario: "tools-list", problem: "nothing closed tools/list 1" },
  ]);
});

test("is content with the leaving of a client, if the client did leave", () => {
  const leaving = event("notification", "", {
    direction: "client_to_target",
    attributes: { cancelled: "the client left" },
  });
  const recorded = [event("request", REQUEST), leaving];
  expect(compare(recorded, seen({ isAborted: true, responseBody: "" })).gaps).toEqual([]);
  expect(compare(recorded, seen({ responseBody: "" })).gaps).toHaveLength(1);
});

test("reads event streams, and misses a message that differs in a single byte", () => {
  const stream = seen({
    responseHeaders: { "content-type": "text/event-stream" },
    responseBody: `id: 1-0\ndata: \n\ndata: ${PROGRESS}\n\ndata: ${RESPONSE}\n\n`,
  });
  const recorded = [event("request", REQUEST), event("response", RESPONSE)];
  expect(compare([...recorded, event("notification", PROGRESS)], stream).gaps).toEqual([]);
  const [gap] = compare([...recorded, event("notification", `${PROGRESS} `)], stream).gaps;
  expect(gap?.problem).toContain("notifications/progress");
});

test("does not take the event of another request for that of a refused one", () => {
  const refused = seen({ status: 403, responseBody: "" });
  const recorded = [event("request", REQUEST), event("response", RESPONSE)];
  expect(compare(recorded, refused, seen())).toEqual({ found: 2, refused: 1, gaps: [] });
});

test("looks for what a session said in its own recording", () => {
  const opened = seen({
    responseHeaders: { "mcp-session-id": "session", "drawbridge-session": "other" },
    requestBody: "",
    responseBody: "",
  });
  const inSession = seen({ requestHeaders: { "mcp-session-id": "session" } });
  expect(
    compare([event("request", REQUEST), event("response", RESPONSE)], opened, inSession).gaps,
  ).toHaveLength(2);
});
