import type { ServerResponse } from "node:http";
import { Inject, Injectable } from "@nestjs/common";
import { CONFIG, type Config } from "../../config.js";

/**
 * The answers that this process holds because their clients do not read them. Nothing waits for those clients: what they
 * were to hear is recorded. When together they take more than is there for them, whoever has kept us waiting for the
 * longest time is cut off.
 */
@Injectable()
export class UnreadAnswers {
  private readonly limit: number;
  private held = 0;
  /** From the oldest on, with its bytes. */
  private readonly unread = new Map<ServerResponse, number>();

  constructor(@Inject(CONFIG) { maxHeldBytes }: Pick<Config, "maxHeldBytes">) {
    this.limit = maxHeldBytes;
  }

  /** An answer that has just been written. */
  add(response: ServerResponse): void {
    const bytes = response.writableLength;
    if (bytes === 0 || response.destroyed) return;
    this.held += bytes;
    this.unread.set(response, bytes);
    response.once("close", () => this.remove(response));
    for (const [oldest] of this.unread) {
      if (this.held <= this.limit) return;
      oldest.destroy();
      this.remove(oldest);
    }
  }

  private remove(response: ServerResponse): void {
    this.held -= this.unread.get(response) ?? 0;
    this.unread.delete(response);
  }
}
