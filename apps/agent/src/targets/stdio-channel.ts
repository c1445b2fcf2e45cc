import type { ServerProcess, ServerProcessListener } from "./server-process.js";
import { MessageLines } from "./message-lines.js";
import type { LargeMessageSink, TargetEnd } from "./target.js";

const NOISE_TOLERATED = 2;

export interface StdioChannelOptions {
  readonly start: (listener: ServerProcessListener) => ServerProcess;
  /** What may wait for a server that does not read. */
  readonly maxMessageBytes: number;
  /** Longest message that is kept whole. */
  readonly wholeMessageBytes: number;
}

export interface StdioChannelListener {
  /** One message as the server wrote it, or a batch of them. */
  message(payload: Uint8Array): void;
  /** A message too large to keep whole begins. */
  large(): LargeMessageSink;
  rubbish(reason: string): void;
  stderr(text: string): void;
  ended(end: TargetEnd): void;
}

/** MCP over stdio: one message a line on stdin and stdout of a process. */
export class StdioChannel {
  readonly #maxMessageBytes: number;
  readonly #listener: StdioChannelListener;
  readonly #process: ServerProcess;
  readonly #lines: MessageLines;
  #noise = 0;

  constructor(options: StdioChannelOptions, listener: StdioChannelListener) {
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#listener = listener;
    this.#lines = new MessageLines(options.wholeMessageBytes);
    this.#process = options.start({
      stdout: (chunk) => this.#read(chunk),
      stderr: (text) => listener.stderr(text),
      ended: (reason) => listener.ended({ reason, neverWorked: !this.#process.spoke }),
    });
  }

  /** In words why it was not sent, or undefined. */
  write(payload: Uint8Array): string | undefined {
    // A server that does not read must not fill the agent's memory.
    if (this.#process.backlogBytes > this.#maxMessageBytes)
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
    for (const line of this.#lines.push(chunk)) {
      if (line.kind === "oversized") this.#listener.large().abort("the message is too large");
      else this.#readLine(line.bytes);
    }
  }

  #readLine(line: Uint8Array): void {
    const first = firstVisible(line);
    if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      this.#noise = 0;
      this.#process.spoke = true;
      this.#listener.message(line);
    } else if (first !== undefined) {
      this.#readNoise();
    }
  }

  #readNoise(): void {
    this.#noise += 1;
    if (this.#noise > NOISE_TOLERATED) {
      this.#noise = 0;
      this.#listener.rubbish("the target prints text that is not MCP to stdout: make it log to stderr");
    } else {
      this.#listener.stderr("[a line on stdout that is not MCP was left out]\n");
    }
  }
}

const LINE_END = Buffer.from("\n");
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/** JSON has line ends only between its tokens, where a space means the same; a line of stdio has none. */
function withoutLineEnds(payload: Uint8Array): Uint8Array {
  if (!payload.includes(NEWLINE) && !payload.includes(RETURN)) return payload;
  return payload.map((byte) => (byte === NEWLINE || byte === RETURN ? SPACE : byte));
}

function firstVisible(line: Uint8Array): number | undefined {
  return line.find((byte) => byte !== SPACE && byte !== TAB && byte !== RETURN);
}
