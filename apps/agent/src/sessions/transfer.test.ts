import type { SessionRequest } from "@drawbridge/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Outbox } from "./outbox.js";
import { Transfer } from "./transfer.js";

const CHUNK_BYTES = 8;
const EXCHANGE = 5;

/** What one stream took of the transfer. */
function received(stream: readonly SessionRequest[]): { text: string; isWhole: boolean; isAborted: boolean } {
  const chunks = stream.flatMap(({ frame }) => (frame?.$case === "messageChunk" ? [frame.value] : []));
  return {
    text: Buffer.concat(chunks.map(({ payload }) => payload)).toString(),
    isWhole: chunks.some(({ end }) => end?.exchange === EXCHANGE),
    isAborted: chunks.some(({ aborted }) => aborted),
  };
}

test("a stream that takes the end of a result has taken all of it, whatever streams come and go", () => {
  const ofStreams = ["connect", "disconnect", "ready"] as const;
  const step = fc.constantFrom("push", ...ofStreams);
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(fc.constantFrom(...ofStreams), { maxLength: 6 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
      (before, after, answers) => {
        const outbox = new Outbox<SessionRequest>({
          highWaterBytes: 1_000_000,
          repeatWindowMs: 1_000,
          now: () => 0,
          onCongestion: () => undefined,
        });
        const transfer = new Transfer({ number: 1, chunkBytes: CHUNK_BYTES, outbox });
        const streams: SessionRequest[][] = [];
        let pushed = "";
        let wasCutOff = false;
        const connect = (takes: () => boolean) => {
          const stream: SessionRequest[] = [];
          streams.push(stream);
          outbox.connect((frame) => stream.push(frame) > 0 && takes());
        };
        let taken = 0;
        const act = {
          push: () => {
            const piece = String(pushed.length).padEnd(1 + (pushed.length % 11), "x");
            pushed += piece;
            transfer.push([Buffer.from(piece)]);
          },
          connect: () => {
            act.disconnect();
            connect(() => answers[(taken += 1) % answers.length] ?? true);
          },
          disconnect: () => {
            outbox.disconnect();
            wasCutOff = transfer.streamLost() === "cut_off" || wasCutOff;
          },
          ready: () => outbox.ready(),
        };
        for (const each of before) act[each]();
        transfer.end(EXCHANGE, {});
        for (const each of after) act[each]();
        act.disconnect();
        connect(() => true);

        const whole = streams.map(received).filter(({ isWhole }) => isWhole);
        expect(whole.map(({ text }) => text)).toEqual(wasCutOff ? [] : [pushed]);
        expect(streams.some((stream) => received(stream).isAborted)).toBe(wasCutOff);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a result that was cut off after it had ended says so on the next stream", () => {
  const outbox = new Outbox<SessionRequest>({
    highWaterBytes: 1_000_000,
    repeatWindowMs: 1_000,
    now: () => 0,
    onCongestion: () => undefined,
  });
  const transfer = new Transfer({ number: 1, chunkBytes: CHUNK_BYTES, outbox });
  outbox.connect(() => false);
  transfer.push([Buffer.from("x".repeat(20))]);
  transfer.end(EXCHANGE, {});
  outbox.disconnect();
  expect([transfer.streamLost(), transfer.isDone]).toEqual(["cut_off", true]);
  const next: SessionRequest[] = [];
  outbox.connect((frame) => next.push(frame) > 0);
  expect(next.map(({ frame }) => frame?.$case)).toEqual(["messageChunk", "exchangeFailed"]);
  expect(received(next)).toEqual({ text: "", isWhole: false, isAborted: true });
});
