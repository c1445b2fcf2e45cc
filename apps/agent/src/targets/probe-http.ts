import {
  EVENT_STREAM_MEDIA_TYPE,
  HttpHeader,
  isModernRevision,
  JSON_MEDIA_TYPE,
  type McpRequest,
  type McpResponse,
  SseFramer,
  standardHeaders,
} from "@drawbridge/mcp";
import { isEventStream, isJson } from "./answer-reader.js";
import {
  allRevisions,
  type Asked,
  discoverRequest,
  discoverVerdict,
  initializeRequest,
  initializeVerdict,
  type Learned,
  responseIn,
  type Verdict,
} from "./era-probe.js";
import { type HttpAnswer, HttpClient } from "./http-client.js";
import { asExchangeError, asSendError, errorOfStatus } from "./http-failures.js";
import { TargetRefusedError } from "./target-refused-error.js";

const PATIENCE_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface HttpProbe {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly asks: Asked;
}

/**
 * Asks a server of Streamable HTTP which revisions it speaks; one that speaks a modern revision is asked for legacy ones
 * only where that matters, for such a server may take initialize for a mistake of its client. Throws TargetRefusedError
 * when it cannot be asked now: an outage says nothing about what it speaks, and credentials it refuses do not either.
 */
export async function probeHttp({ url, headers, signal, asks }: HttpProbe): Promise<Learned> {
  const http = new HttpClient(url, headers);
  const given = AbortSignal.any([signal, AbortSignal.timeout(2 * PATIENCE_MS)]);
  try {
    const discover = discoverRequest();
    const modern = await ask(http, { request: discover, headers: standardHeaders(discover), signal: given });
    const verdict: Verdict = modern.response ? discoverVerdict(modern.response) : "no";
    if (asks === "modern" && verdict !== "no" && verdict.some((revision) => isModernRevision(revision)))
      return { revisions: allRevisions(verdict), isWhole: false };
    const legacy = await askToInitialize(http, given).catch((error: unknown) => {
      // What is known already stays known.
      if (verdict === "no") throw error;
      return undefined;
    });
    const revisions = allRevisions(verdict, legacy);
    if (revisions.length > 0) return { revisions, isWhole: true };
    throw new TargetRefusedError(
      "TARGET_UNAVAILABLE",
      "the target speaks no revision of MCP that this agent knows",
    );
  } catch (error) {
    throw error instanceof TargetRefusedError ? error : unavailable(error);
  } finally {
    await http.close();
  }
}

function unavailable(error: unknown): TargetRefusedError {
  return new TargetRefusedError("TARGET_UNAVAILABLE", asExchangeError(asSendError(error)).message);
}

/** The session that a server opens for the question is ended at once. */
async function askToInitialize(http: HttpClient, signal: AbortSignal): Promise<Verdict> {
  const { response, sessionId } = await ask(http, { request: initializeRequest(), headers: {}, signal });
  if (sessionId !== undefined) {
    const headers = { [HttpHeader.sessionId]: sessionId };
    await http
      .request({ method: "DELETE", headers, signal })
      .then((answer) => answer.discard())
      .catch(() => undefined);
  }
  return response ? initializeVerdict(response) : "no";
}

interface Question {
  readonly request: McpRequest;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

interface Answer {
  /** Absent when the server says in another way that it does not understand. */
  readonly response: McpResponse | undefined;
  readonly sessionId: string | undefined;
}

async function ask(http: HttpClient, question: Question): Promise<Answer> {
  const headers = {
    ...question.headers,
    accept: `${JSON_MEDIA_TYPE}, ${EVENT_STREAM_MEDIA_TYPE}`,
    [HttpHeader.contentType]: JSON_MEDIA_TYPE,
  };
  const answer = await http.request({
    method: "POST",
    headers,
    body: question.request.bytes,
    signal: AbortSignal.any([question.signal, AbortSignal.timeout(PATIENCE_MS)]),
  });
  if (saysNothing(answer.status)) {
    await answer.discard();
    throw errorOfStatus(answer.status);
  }
  return { response: await readResponse(answer), sessionId: answer.header(HttpHeader.sessionId) };
}

/** Refused credentials, too many requests, redirects and outages are no evidence of an era. */
function saysNothing(status: number): boolean {
  return status >= 500 || (status >= 300 && status < 400) || [401, 403, 429].includes(status);
}

async function readResponse(answer: HttpAnswer): Promise<McpResponse | undefined> {
  if (isEventStream(answer)) return readStream(answer);
  if (isJson(answer)) return responseIn(await answer.readWhole(MAX_ANSWER_BYTES));
  await answer.discard();
  return undefined;
}

async function readStream(answer: HttpAnswer): Promise<McpResponse | undefined> {
  const framer = new SseFramer(MAX_ANSWER_BYTES);
  for await (const chunk of answer.chunks()) {
    for (const frame of framer.push(chunk)) {
      const response = frame.kind === "whole" ? responseIn(frame.bytes) : undefined;
      if (response) return response;
    }
  }
  return undefined;
}
