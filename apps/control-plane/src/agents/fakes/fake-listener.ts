import { setTimeout as sleep } from "node:timers/promises";
import type {
  ChunkFromTarget,
  FailedExchange,
  MessageFromTarget,
  SessionLinkListener,
  ToolsFromTarget,
} from "../session-link.js";

/** Writes down what it hears, in order. */
export class FakeListener implements SessionLinkListener {
  readonly heard: string[] = [];
  /** What each message waits for; a test puts a barrier or an error here. */
  beforeMessage: (message: MessageFromTarget) => Promise<void> = async () => undefined;
  beforeChunk: (chunk: ChunkFromTarget) => Promise<void> = async () => undefined;

  async onMessage(message: MessageFromTarget): Promise<void> {
    await this.beforeMessage(message);
    this.heard.push(
      `message ${message.exchange} ${message.payload.toString()}${message.final ? " final" : ""}`,
    );
  }

  async onChunk(chunk: ChunkFromTarget): Promise<void> {
    await this.beforeChunk(chunk);
    const { transfer, payload, aborted, end } = chunk;
    const how = aborted ? " aborted" : end ? ` end ${end.exchange}` : "";
    this.heard.push(`chunk ${transfer} ${payload.toString()}${how}`);
  }

  async onExchangeFailed(failed: FailedExchange): Promise<void> {
    const { exchange, failure, message, supportedVersions } = failed;
    this.heard.push([`failed ${exchange} ${failure} ${message}`, ...supportedVersions].join(" "));
  }

  async onVersions(versions: readonly string[]): Promise<void> {
    this.heard.push(`versions ${versions.join(" ")}`);
  }

  async onTools({ tools, complete, failure }: ToolsFromTarget): Promise<void> {
    const how = failure ?? (complete ? "complete" : "partial");
    this.heard.push(["tools", ...tools.map(({ name }) => name), how].join(" "));
  }

  async onStderr(text: Buffer): Promise<void> {
    this.heard.push(`stderr ${text.toString()}`);
  }

  async onEnded(reason: string): Promise<void> {
    this.heard.push(`ended ${reason}`);
  }

  /** Resolves when something that begins like this has been heard. */
  async hears(beginning: string, withinMs = 8_000): Promise<string> {
    const until = performance.now() + withinMs;
    while (performance.now() < until) {
      const found = this.heard.find((line) => line.startsWith(beginning));
      if (found !== undefined) return found;
      await sleep(5);
    }
    throw new Error(`"${beginning}" was not heard, but: ${this.heard.join(" | ")}`);
  }
}
