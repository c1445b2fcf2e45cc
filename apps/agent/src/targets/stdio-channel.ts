import { LineFramer, type McpMessage } from "@drawbridge/mcp";
import {
  firstVisible,
  MessageFrames,
  type MessageReceiver,
  OPEN_BRACE,
  OPEN_BRACKET,
} from "./message-frames.js";
import type { ServerProcess, ServerProcessListener } from "./server-process.js";
import type { TargetEnd } from "./target.js";

const NOISE_TOLERATED = 2;
/** A server that prints nothing else must not fill the recording with how often. */
const NOISE_NOTE_MS = 1_000;

/** Kept free for cancellations. One is 2 KiB at most, and there is one for each call that is under way. */
const CANCELLATION_RESERVE_BYTES = 4 * 1024 * 1024;

export interface StdioChannelOptions {
  readonly start: (listener: ServerProcessListener) => ServerProcess;
  /** What may wait for a server that does not read. */
  readonly maxMessageBytes: number;
  /** Longest message that is kept whole. */
  readonly wholeMessageBytes: number;
}

export interface StdioChannelListener extends MessageReceiver {
  stderr(text: string): void;
  ended(end: TargetEnd): void;
}

/** A server that died of these alone never worked: they do nothing that anybody would have to know about. */
export function hasNoEffect(message: McpMessage): boolean {
  return message.kind === "request" && (message.method === "initialize" || message.method === "tools/list");
}

/** MCP over stdio: one message a line on stdin and stdout of a process. */
export class StdioChannel {
  readonly #maxMessageBytes: number;
  readonly #listener: StdioChannelListener;
  readonly #process: ServerProcess;
  readonly #lines: LineFramer;
  readonly #frames: MessageFrames;
  #noise = 0;
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(options: StdioChannelOptions, listener: StdioChannelListener) {
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#listener = listener;
    this.#lines = new LineFramer(options.wholeMessageBytes);
    this.#frames = new MessageFrames({
      message: (line) => this.#readLine(line),
      large: () => {
        this.#spoke();
        return listener.large();
      },
      rubbish: (reason) => listener.rubbish(reason),
    });
    this.#process = options.start({
      stdout: (chunk) => this.#read(chunk),
      stderr: (text) => listener.stderr(text),
      ended: (reason) => this.#ended(reason),
    });
  }

  /** A message of which the server may do something, even if it dies before it says a word. */
  writeCall(payload: Uint8Array): string | undefined {
    const problem = this.write(payload);
    if (problem === undefined) this.#process.wasCalled = true;
    return problem;
  }

  /**
   * Says that nobody waits for a call any more. It is small and comes after the call it is about, so it waits with it
   * where a server that does not read would be sent nothing else: when it reads again it must not go on with the call.
   */
  writeCancellation(payload: Uint8Array): string | undefined {
    return this.#write(payload, this.#maxMessageBytes + CANCELLATION_RESERVE_BYTES);
  }

  /** In words why it was not sent, or undefined. */
  write(payload: Uint8Array): string | undefined {
    return this.#write(payload, this.#maxMessageBytes);
  }

  #write(payload: Uint8Array, maxBacklogBytes: number): string | undefined {
    // A server that does not read must not fill the agent's memory.
    if (this.#process.backlogBytes > maxBacklogBytes)
      return "the target does not read what it is sent: wait for its other calls to end";
    this.#process.write(Buffer.concat([withoutLineEnds(payload), LINE_END]));
    return undefined;
  }

  pause(): void {
    this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  close(): Promise<void> {
    return this.#process.close();
  }

  #read(chunk: Uint8Array): void {
    for (const frame of this.#lines.push(chunk)) this.#frames.take(frame);
  }

  #readLine(line: Uint8Array): void {
    const first = firstVisible(line);
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      this.#spoke();
      this.#listener.message(line);
    } else if (first !== undefined) {
      this.#readNoise();
    }
  }

  #spoke(): void {
    this.#noise = 0;
    this.#process.spoke = true;
  }

  #ended(reason: string): void {
    this.#frames.abort(reason);
    const mayHaveRun = this.#process.spoke || (this.#process.wasCalled && this.#process.hasStarted);
    this.#listener.ended({ reason, neverWorked: !mayHaveRun });
  }

  #readNoise(): void {
    this.#noise += 1;
    if (this.#noise > NOISE_TOLERATED) {
      this.#noise = 0;
      this.#listener.rubbish("the target prints text that is not MCP to stdout: make it log to stderr");
    } else if (performance.now() - this.#notedAt >= NOISE_NOTE_MS) {
      this.#notedAt = performance.now();
      this.#listener.stderr("[a line on stdout that is not MCP was left out]\n");
    }
  }
}

const LINE_END = Buffer.from("\n");
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** JSON has line ends only between its tokens, where a space means the same; a line of stdio has none. */
function withoutLineEnds(payload: Uint8Array): Uint8Array {
  if (!payload.includes(NEWLINE) && !payload.includes(RETURN)) return payload;
  return payload.map((byte) => (byte === NEWLINE || byte === RETURN ? SPACE : byte));
}
