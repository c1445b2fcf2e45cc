import { expect } from "vitest";
import { type GatewayUnderTest, PATIENT } from "./gateway-under-test.js";

/** Has `send` send a request that the target does not answer. Resolves with the target's side of it, to answer by hand. */
export async function callUnderWay<Sending>({ links }: GatewayUnderTest, send: () => Promise<Sending>) {
  links.script = () => [];
  const before = links.sent.length;
  const sending = send();
  // Who does not wait for it does not want to know that it broke off.
  sending.catch(() => undefined);
  await expect.poll(() => links.sent.length, PATIENT).toBeGreaterThan(before);
  const { exchange, sessionId, text } = links.sent.at(-1)!;
  const { listener } = links.opened.findLast((opened) => opened.sessionId === sessionId)!;
  const { id } = JSON.parse(text) as { id: unknown };
  const say = (payload: Buffer, final = false) =>
    listener.onMessage({ exchange, payload, masked: {}, final });
  const answer = (result: object = { text: "done" }) =>
    say(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, result })), true);
  return { sending, exchange, sessionId, listener, say, answer };
}

/** What a target says that it is not asked for. */
export function logMessage(data: string): Buffer {
  return Buffer.from(
    `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${data}"}}`,
  );
}
