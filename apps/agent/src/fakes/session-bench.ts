import { createMasker, type Masker } from "@drawbridge/masking";
import {
  Era,
  type SessionRequest,
  type SessionRequest_ToolDefinitions as ToolDefinitions,
  type TargetDefinition,
} from "@drawbridge/protocol";
import { encodeMessage, type JsonRpcObject, modern } from "@drawbridge/testing";
import { pino } from "pino";
import type { Revisions } from "../sessions/modern-gate.js";
import { Session, type SessionOptions } from "../sessions/session.js";
import { stdioTarget } from "./agent-under-test.js";
import { FakeTarget } from "./fake-target.js";

type Frame = NonNullable<SessionRequest["frame"]>;

/** What is known of targets is up to the test, and when it is learned. */
export class FakeRevisions implements Revisions {
  cached: readonly string[] | undefined;
  asked = 0;
  #answer = Promise.withResolvers<readonly string[]>();

  constructor(cached?: readonly string[]) {
    this.cached = cached;
  }

  known(): readonly string[] | undefined {
    return this.cached;
  }

  learn(): Promise<readonly string[]> {
    this.asked += 1;
    return this.#answer.promise;
  }

  /** Answers whoever asked and whoever will, and lets all of that happen. */
  async answer(versions: readonly string[] | Error): Promise<void> {
    if (versions instanceof Error) this.#answer.reject(versions);
    else this.#answer.resolve(versions);
    await settled();
  }
}

export interface SendOptions {
  readonly parameterHeaders?: Record<string, string>;
  readonly toolDigest?: Buffer;
}

export interface SessionBench {
  readonly session: Session;
  readonly revisions: FakeRevisions;
  /** What streams took, all of them, but what the target's tools are. */
  readonly frames: Frame[];
  readonly shown: ToolDefinitions[];
  /** Reasons for which the session said its target is gone. */
  readonly ends: string[];
  readonly logs: string[];
  /** Throws while none was opened. */
  target(): FakeTarget;
  readonly targets: FakeTarget[];
  /** A request gets what those of the session's era have. */
  send(exchange: number, message: JsonRpcObject, options?: SendOptions): void;
  answer(message: JsonRpcObject, exchange?: number): void;
  /** A stream comes; `takes`: whether it wants more after each frame. */
  connect(takes?: () => boolean): void;
}

export interface SessionBenchOptions extends Partial<Omit<SessionOptions, "revisions" | "maxMessageBytes">> {
  readonly era?: "legacy" | "modern";
  /** What is known from the beginning. */
  readonly versions?: readonly string[];
  readonly maxMessageBytes?: number;
  readonly definition?: TargetDefinition;
  readonly masker?: Masker;
}

/** One session with a target, a control plane and a knowledge of revisions that the test plays. It has a stream. */
export function sessionBench(options: SessionBenchOptions = {}): SessionBench {
  const { era = "legacy", versions, maxMessageBytes = 4 * 1024 * 1024, definition, ...rest } = options;
  const revisions = new FakeRevisions(versions);
  const frames: Frame[] = [];
  const shown: ToolDefinitions[] = [];
  const targets: FakeTarget[] = [];
  const ends: string[] = [];
  const logs: string[] = [];
  const session = new Session({
    id: "session-1",
    openTarget: (_definition, { listener }) => {
      const target = new FakeTarget(listener);
      targets.push(target);
      return target;
    },
    revisions,
    masker: createMasker(),
    bufferedBytes: 4 * 1024 * 1024,
    maxResultBytes: 1024 * 1024 * 1024,
    timeouts: { totalMs: 3_600_000, idleMs: 300_000 },
    maxMessageBytes: () => maxMessageBytes,
    mayOperate: () => true,
    onTargetEnded: (reason) => ends.push(reason),
    log: pino({ level: "debug", base: null }, { write: (line) => logs.push(line) }),
    ...rest,
  });
  const connect = (takes = () => true) =>
    session.connect(({ frame }) => {
      if (frame?.$case === "toolDefinitions") shown.push(frame.value);
      else if (frame) frames.push(frame);
      return takes();
    });
  const target = () => {
    const [first] = targets;
    if (!first) throw new Error("no target was opened");
    return first;
  };
  const wireEra = era === "modern" ? Era.MODERN : Era.LEGACY;
  session.receive({ $case: "open", value: { target: definition ?? stdioTarget(), era: wireEra } });
  connect();
  return {
    session,
    revisions,
    frames,
    shown,
    ends,
    logs,
    target,
    targets,
    connect,
    send: (exchange, message, { parameterHeaders = {}, toolDigest = Buffer.alloc(0) } = {}) => {
      const isRequest = message.method !== undefined && message.id !== undefined;
      const payload = Buffer.from(encodeMessage(era === "modern" && isRequest ? modern(message) : message));
      const value = { exchange, payload, protocolVersion: "", parameterHeaders, toolDigest };
      session.receive({ $case: "message", value });
    },
    answer: (message, exchange) => target().listener.message(encodeMessage(message), exchange),
  };
}

/** Everything that waits only for promises has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
