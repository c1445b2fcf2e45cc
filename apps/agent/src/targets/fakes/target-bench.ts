import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ExchangeFailure, TargetDefinition } from "@drawbridge/protocol";
import { type Era, idKey, parseMessage } from "@drawbridge/mcp";
import { encodeMessage, type JsonRpcObject, SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import { pino } from "pino";
import { afterEach } from "vitest";
import { waitFor } from "../../fakes/wait-for.js";
import type { CommandRule } from "../allow-rules.js";
import { type ChildLimits, NO_CHILD_LIMITS } from "../child-limits.js";
import { openTarget } from "../open-target.js";
import type { TargetHealth } from "../start-backoff.js";
import type { LargeMessageSink, Target, TargetEnd, TargetListener } from "../target.js";
import { createTargetHost, type TargetHost } from "../target-host.js";
import { parseUrlRule } from "../url-rule.js";
import { Watchdog } from "../watchdog.js";

const closers: (() => unknown)[] = [];

/** To be called once by a test file that opens targets. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });
}

export function onTestEnd(close: () => unknown): void {
  closers.push(close);
}

export interface HostOptions {
  readonly urls?: readonly string[];
  readonly commands?: readonly CommandRule[];
  readonly children?: number;
  readonly perChild?: Partial<ChildLimits>;
  readonly messageBytes?: number;
  readonly onHealth?: (health: TargetHealth) => void;
}

const SCRIPTABLE_RULE: CommandRule = {
  command: process.execPath,
  arguments: "any",
  directories: [tmpdir()],
  environment: ["SOME_NAME", "COUNTER_FILE"],
};

/** A host with a watchdog of its own, which ends with the test. */
export function testHost(options: HostOptions = {}): TargetHost {
  const watchdog = new Watchdog(pino({ level: "silent" }));
  onTestEnd(() => watchdog.stop());
  return createTargetHost({
    allow: {
      commands: options.commands ?? [SCRIPTABLE_RULE],
      urls: (options.urls ?? []).map((url) => parseUrlRule(url)),
    },
    childDirectory: tmpdir(),
    environment: { PATH: "/usr/bin:/bin", HOME: "/nowhere", AGENT_SECRET: "never for children" },
    limits: {
      children: options.children ?? 20,
      perChild: { ...NO_CHILD_LIMITS, ...options.perChild },
      messageBytes: options.messageBytes ?? 16 * 1024 * 1024,
      stderrBytesPerSecond: 64 * 1024,
    },
    watchdog,
    onHealth: options.onHealth ?? (() => undefined),
  });
}

type StdioTransport = Extract<TargetDefinition["transport"], { $case: "stdio" }>["value"];

/** The scriptable server with these switches, or another program. */
export function stdio(switches: readonly string[], change: Partial<StdioTransport> = {}): TargetDefinition {
  const value = {
    command: process.execPath,
    arguments: [SCRIPTABLE_SERVER_PATH, ...switches],
    workingDirectory: "",
    environment: {},
    limits: undefined,
    ...change,
  };
  return { ...TargetDefinition.fromPartial({ name: "scriptable" }), transport: { $case: "stdio", value } };
}

export function http(url: string, headers: Record<string, string> = {}): TargetDefinition {
  const transport = { $case: "http", value: { url, headers } } as const;
  return { ...TargetDefinition.fromPartial({ name: "scriptable" }), transport };
}

export function sse(url: string, headers: Record<string, string> = {}): TargetDefinition {
  const transport = { $case: "sse", value: { url, headers } } as const;
  return { ...TargetDefinition.fromPartial({ name: "scriptable" }), transport };
}

/** A server of one's own, for what no well-behaved server does. */
export function ownServer(source: string): TargetDefinition {
  const directory = mkdtempSync(path.join(tmpdir(), "drawbridge-server-"));
  onTestEnd(() => rmSync(directory, { recursive: true }));
  const script = path.join(directory, "server.mjs");
  writeFileSync(script, source);
  return stdio([], { arguments: [script] });
}

/** What came of a large message. */
export interface FakeLarge {
  readonly exchange: number | undefined;
  bytes: number;
  /** The first of it, as far as it is worth looking at. */
  text: string;
  largestPiece: number;
  outcome: { readonly ended: number | undefined } | { readonly aborted: string } | undefined;
}

/** A session as a target sees it: everything is remembered, nothing is masked or sent on. */
export class FakeListener implements TargetListener {
  readonly messages: { readonly exchange: number | undefined; readonly text: string }[] = [];
  readonly failures = new Map<number, { readonly failure: ExchangeFailure; readonly reason: string }>();
  readonly larges: FakeLarge[] = [];
  readonly rubbishReasons: string[] = [];
  stderrText = "";
  end: TargetEnd | undefined;
  /** Called with each piece of a large message. */
  onPiece: (large: FakeLarge) => void = () => undefined;
  readonly #waiting = new Map<number, string>();

  begin(exchange: number, id: string): void {
    this.#waiting.set(exchange, id);
  }

  message(payload: Uint8Array, exchange?: number): void {
    this.messages.push({ exchange, text: Buffer.from(payload).toString() });
    const message = parseMessage(payload);
    if (message.kind !== "response" || message.id === undefined) return;
    const id = idKey(message.id);
    const answered = exchange ?? [...this.#waiting].find(([, waiting]) => waiting === id)?.[0];
    if (answered !== undefined && this.#waiting.get(answered) === id) this.#waiting.delete(answered);
  }

  large(exchange?: number): LargeMessageSink {
    const large: FakeLarge = { exchange, bytes: 0, text: "", largestPiece: 0, outcome: undefined };
    this.larges.push(large);
    return {
      push: (chunk) => {
        large.bytes += chunk.length;
        large.largestPiece = Math.max(large.largestPiece, chunk.length);
        if (large.text.length < 1_000) large.text += Buffer.from(chunk.subarray(0, 1_000)).toString();
        this.onPiece(large);
      },
      end: (ended) => {
        large.outcome = { ended };
        this.#waiting.delete(ended ?? exchange ?? 0);
      },
      abort: (reason) => (large.outcome = { aborted: reason }),
    };
  }

  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void {
    if (exchange !== 0 && !this.#waiting.delete(exchange)) return;
    this.failures.set(exchange, { failure, reason });
  }

  rubbish(reason: string, exchange?: number): void {
    this.rubbishReasons.push(reason);
    if (exchange !== undefined) this.#waiting.delete(exchange);
  }

  isWaiting(exchange: number): boolean {
    return this.#waiting.has(exchange);
  }

  stderr(text: string): void {
    this.stderrText += text;
  }

  ended(end: TargetEnd): void {
    this.end = end;
  }
}

/** A target in use, with what came of it. */
export class OpenedTarget {
  readonly target: Target;
  readonly listener: FakeListener;
  readonly #protocolVersion: string;

  constructor(target: Target, listener: FakeListener, era: Era) {
    this.target = target;
    this.listener = listener;
    this.#protocolVersion = era === "modern" ? "2026-07-28" : "2025-11-25";
  }

  send(
    exchange: number,
    message: JsonRpcObject | string,
    parameterHeaders: Record<string, string> = {},
  ): void {
    const parsed = parseMessage(typeof message === "string" ? Buffer.from(message) : encodeMessage(message));
    if (parsed.kind === "request") this.listener.begin(exchange, idKey(parsed.id));
    this.target.send({ exchange, parsed, protocolVersion: this.#protocolVersion, parameterHeaders });
  }

  /** The text of the response. */
  async response(exchange: number, id: string | number): Promise<string> {
    const found = await waitFor(() => this.listener.failures.get(exchange) ?? this.#responseTo(exchange, id));
    if (typeof found === "string") return found;
    throw new Error(`failed: ${found.failure} ${found.reason}`);
  }

  async call(
    exchange: number,
    message: JsonRpcObject,
    headers: Record<string, string> = {},
  ): Promise<string> {
    this.send(exchange, message, headers);
    return this.response(exchange, message.id ?? "");
  }

  failure(exchange: number): Promise<{ readonly failure: ExchangeFailure; readonly reason: string }> {
    return waitFor(() => this.listener.failures.get(exchange));
  }

  ended(): Promise<TargetEnd> {
    return waitFor(() => this.listener.end);
  }

  /** What came so far for an exchange (undefined: for none in particular), parsed. */
  messages(exchange: number | undefined): JsonRpcObject[] {
    return this.listener.messages
      .filter((message) => message.exchange === exchange)
      .map(({ text }) => JSON.parse(text) as JsonRpcObject);
  }

  #responseTo(exchange: number, id: string | number): string | undefined {
    const isIt = ({ exchange: of, text }: { exchange: number | undefined; text: string }) => {
      const message = JSON.parse(text) as JsonRpcObject;
      return (of === undefined || of === exchange) && message.method === undefined && message.id === id;
    };
    return this.listener.messages.find(isIt)?.text;
  }
}

export function open(host: TargetHost, definition: TargetDefinition, era: Era = "legacy"): OpenedTarget {
  const listener = new FakeListener();
  const target = openTarget(host, definition, { listener, era });
  onTestEnd(() => target.close());
  return new OpenedTarget(target, listener, era);
}

/** What a tool of the scriptable server said in its structured content. */
export function structured<T>(response: string): T {
  return (JSON.parse(response) as { result: { structuredContent: T } }).result.structuredContent;
}
