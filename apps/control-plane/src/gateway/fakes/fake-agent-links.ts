import { createHash } from "node:crypto";
import type {
  AgentLinks,
  MessageToTarget,
  OpenSessionLink,
  SessionLink,
  ToolFromTarget,
} from "../../agents/index.js";
import { AgentUnavailableError } from "../../agents/index.js";

/** What the fake target says to one message; each text is one JSON-RPC message, the last one ends the exchange. */
export type Script = (message: {
  method?: string;
  id?: unknown;
  params?: Record<string, unknown>;
}) => string[];

interface Sent {
  readonly sessionId: string;
  readonly exchange: number;
  readonly text: string;
  readonly protocolVersion: string;
  readonly parameterHeaders: Readonly<Record<string, string>>;
  /** In hexadecimal. */
  readonly toolDigest: string | undefined;
}

/** A tool as the target lists it. */
export interface FakeTool {
  readonly name: string;
  readonly description?: string;
}

/** What answerPolitely lists. */
export const TOOLS: readonly FakeTool[] = [{ name: "read" }, { name: "destroy" }];
const AGENT = "01900000-0000-7000-8000-000000000001";

/** An agent with a target that answers by script, in place of the real link. */
export class FakeAgentLinks implements Pick<
  AgentLinks,
  "connected" | "failing" | "isOnline" | "open" | "tidy"
> {
  online = true;
  readonly connected = [];
  readonly opened: OpenSessionLink[] = [];
  readonly sent: Sent[] = [];
  readonly closed: string[] = [];
  readonly cancelled: number[] = [];
  /** Sessions whose target the agent holds no more. */
  readonly gone = new Set<string>();
  script: Script = answerPolitely;
  /** What the agent finds when it is asked for the tools; undefined: it cannot say. */
  tools: readonly FakeTool[] | undefined = TOOLS;
  /** How often it was asked. */
  timesAsked = 0;
  checksTools = true;
  /** Resolves when an agent may answer that it has a session. */
  opening: Promise<void> = Promise.resolve();

  /** As at first. What was opened and closed stays known: sessions outlive a test. */
  reset(): void {
    this.online = true;
    this.script = answerPolitely;
    this.tools = TOOLS;
    this.timesAsked = 0;
    this.checksTools = true;
    this.opening = Promise.resolve();
    this.sent.length = 0;
  }

  isOnline(): boolean {
    return this.online;
  }

  async open(request: OpenSessionLink): Promise<SessionLink> {
    if (!this.online) throw new AgentUnavailableError("no agent of the group is connected");
    if (this.gone.has(request.sessionId)) throw new AgentUnavailableError("the target is gone");
    this.opened.push(request);
    await this.opening;
    return {
      agentId: AGENT,
      checksTools: this.checksTools,
      send: (message) => this.send(request, message),
      cancel: (exchange) => void this.cancelled.push(exchange),
      listTools: () => this.listTools(request),
      close: () => void this.closed.push(request.sessionId),
    };
  }

  tidy(): void {}

  failing(): undefined {}

  /** The calls of a method that reached the target. */
  reached(method: string): string[] {
    return this.sent.map(({ text }) => text).filter((text) => text.includes(`"${method}"`));
  }

  private async send(request: OpenSessionLink, message: MessageToTarget): Promise<void> {
    if (!this.online) throw new AgentUnavailableError("the agent is gone");
    const { exchange, payload, protocolVersion, parameterHeaders = {} } = message;
    const text = Buffer.from(payload).toString("utf8");
    const toolDigest = message.toolDigest && Buffer.from(message.toolDigest).toString("hex");
    const { sessionId } = request;
    this.sent.push({ sessionId, exchange, text, protocolVersion, parameterHeaders, toolDigest });
    const answers = this.script(JSON.parse(text) as Parameters<Script>[0]);
    setImmediate(() => void this.answer(request, exchange, answers));
  }

  private listTools({ listener }: OpenSessionLink): void {
    this.timesAsked += 1;
    const tools = (this.tools ?? []).map(toolFromTarget);
    const failure = this.tools ? undefined : "the target does not answer";
    setImmediate(() => void listener.onTools({ tools, complete: this.tools !== undefined, failure }));
  }

  private async answer(request: OpenSessionLink, exchange: number, answers: string[]): Promise<void> {
    for (const [index, text] of answers.entries()) {
      const tools = toolsIn(text);
      if (tools) await request.listener.onTools({ tools, complete: true, failure: undefined });
      const final = exchange !== 0 && index === answers.length - 1;
      await request.listener.onMessage({ exchange, payload: Buffer.from(text), masked: {}, final });
    }
  }
}

/** As the agent reports them before it passes the list on. */
function toolsIn(text: string): ToolFromTarget[] | undefined {
  if (!text.includes('"tools":[')) return undefined;
  const { result } = JSON.parse(text) as { result?: { tools?: unknown } };
  return Array.isArray(result?.tools) ? (result.tools as FakeTool[]).map(toolFromTarget) : undefined;
}

/** Its digest is that of what these tests change about it, so that most may list a tool as they like. */
export function toolFromTarget(tool: FakeTool): ToolFromTarget {
  const { name, description = "" } = tool;
  const digest = createHash("sha256").update(`${name}\0${description}`).digest();
  return { name, digest, definition: Buffer.from(JSON.stringify(tool)) };
}

/** initialize, two tools, and whatever is called answers with its own arguments. */
export const answerPolitely: Script = ({ method, id, params }) => {
  const answer = (result: string) => [`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`];
  if (id === undefined) return [];
  if (method === "initialize") {
    return answer(
      `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"1"}}`,
    );
  }
  if (method === "tools/list") {
    return answer(
      `{"tools":[{"name":"read","inputSchema":{"type":"object"},"big":1234567890123456789},{"name":"destroy"}]}`,
    );
  }
  return answer(
    `{"content":[{"type":"text","text":${JSON.stringify(JSON.stringify(params ?? {}))}}],"n":1.0}`,
  );
};

/** The same from a target that negotiates another revision. */
export const politelyAt =
  (revision: string): Script =>
  (message) =>
    answerPolitely(message).map((text) => text.replace("2025-11-25", revision));
