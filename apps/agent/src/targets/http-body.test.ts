import { describe, expect, test } from "vitest";
import { HttpBody } from "./http-body.js";

/** The connection as a body sees it. */
class FakeController {
  paused = false;
  aborted = false;
  readonly reason = null;
  readonly rawHeaders = null;
  readonly rawTrailers = null;

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(): void {
    this.aborted = true;
  }
}

function startBody(): { body: HttpBody; connection: FakeController } {
  const connection = new FakeController();
  return { body: new HttpBody(connection), connection };
}

const textOf = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks).toString();

async function everything(body: HttpBody, seen: Uint8Array[] = []): Promise<Uint8Array[]> {
  for await (const chunk of body.chunks()) seen.push(chunk);
  return seen;
}

describe("HttpBody", () => {
  test("stops reading the connection when much waits, and goes on when it was taken", () => {
    const { body, connection } = startBody();
    body.push(Buffer.alloc(60_000));
    expect(connection.paused).toBe(false);
    body.push(Buffer.alloc(60_000));
    expect(connection.paused).toBe(true);
    expect(body.take()).toHaveLength(2);
    expect(connection.paused).toBe(false);
    expect(body.take()).toEqual([]);
  });

  test("gives everything that came before it broke off, then says that it did", async () => {
    const { body } = startBody();
    body.push(Buffer.from("one "));
    body.push(Buffer.from("two"));
    body.end(new Error("reset"));
    const seen: Uint8Array[] = [];
    await expect(everything(body, seen)).rejects.toThrow("reset");
    expect(textOf(seen)).toBe("one two");
  });

  test("wakes its reader for more, and at its end", async () => {
    const { body } = startBody();
    const read = everything(body);
    await new Promise((resolve) => setImmediate(resolve));
    body.push(Buffer.from("a"));
    await new Promise((resolve) => setImmediate(resolve));
    body.push(Buffer.from("b"));
    body.end();
    expect(textOf(await read)).toBe("ab");
    expect(body.isExhausted).toBe(true);
  });

  test("nobody wants is read to its end when it is small, and closes its connection when it is not", async () => {
    const small = startBody();
    small.body.push(Buffer.from("not found"));
    small.body.end();
    await small.body.discard();
    expect(small.connection.aborted).toBe(false);

    const large = startBody();
    large.body.push(Buffer.alloc(200_000));
    await large.body.discard();
    expect(large.connection.aborted).toBe(true);
  });

  test("that broke off can be discarded", async () => {
    const { body } = startBody();
    const discarded = body.discard();
    body.end(new Error("reset"));
    await expect(discarded).resolves.toBeUndefined();
  });
});
