import { ExchangeFailure } from "@drawbridge/protocol";
import { cancelledNotification, type McpRequest } from "@drawbridge/mcp";
import { splittingBatches } from "./message-frames.js";
import { hasNoEffect, StdioChannel, type StdioChannelOptions } from "./stdio-channel.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";

/** An MCP server as a child process that serves one client (2025 revisions): messages pass as they are. */
export class StdioTarget implements Target {
  readonly #listener: TargetListener;
  readonly #channel: StdioChannel;

  constructor(options: StdioChannelOptions, listener: TargetListener) {
    this.#listener = listener;
    this.#channel = new StdioChannel(options, {
      ...splittingBatches({
        message: (payload) => listener.message(payload),
        large: () => listener.large(),
        rubbish: (reason) => listener.rubbish(reason),
      }),
      stderr: (text) => listener.stderr(text),
      ended: (end) => listener.ended(end),
    });
  }

  send({ exchange, parsed }: OutgoingMessage): void {
    const problem = hasNoEffect(parsed)
      ? this.#channel.write(parsed.bytes)
      : this.#channel.writeCall(parsed.bytes);
    if (problem !== undefined) this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, problem);
  }

  cancel(_exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void {
    // The protocol forbids to cancel initialize.
    if (request.method === "initialize") return;
    this.#channel.writeCancellation(cancelledNotification(request.id, reason));
  }

  pause(): void {
    this.#channel.pause();
  }

  resume(): void {
    this.#channel.resume();
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
