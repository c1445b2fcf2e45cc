import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { BatchReply } from "./batch-reply.js";
import type { Reply } from "./reply.js";

/** The answer of a client that takes its time over each message. */
class SlowReply implements Pick<Reply, "abandon" | "open" | "push"> {
  readonly heard: string[] = [];
  open = true;

  async push(message: Uint8Array): Promise<void> {
    if (!this.open) return;
    this.heard.push(String(message));
    await sleep(20);
  }

  abandon(): void {
    this.open = false;
  }
}

test("a client that reads slowly gets what was answered early as well", async () => {
  const reply = new SlowReply();
  const batch = new BatchReply(reply as unknown as Reply, 5);
  const elements = Array.from({ length: 5 }, () => batch.element());
  await Promise.all(elements.slice(0, 4).map((element, index) => element.finish(Buffer.from(String(index)))));
  await expect.poll(() => reply.heard.length, { timeout: 5_000, interval: 1 }).toBeGreaterThan(0);
  await elements[4]!.finish(Buffer.from("4"));
  expect(reply.heard).toEqual(["0", "1", "2", "3", "4"]);
  expect(reply.open).toBe(false);
});
