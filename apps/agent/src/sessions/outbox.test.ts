import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Outbox } from "./outbox.js";

interface Harness {
  readonly outbox: Outbox<number>;
  readonly congestion: boolean[];
  readonly clock: { now: number };
}

function harness(highWaterBytes = 100): Harness {
  const congestion: boolean[] = [];
  const clock = { now: 0 };
  const outbox = new Outbox<number>({
    highWaterBytes,
    repeatWindowMs: 1_000,
    now: () => clock.now,
    onCongestion: (congested) => congestion.push(congested),
  });
  return { outbox, congestion, clock };
}

describe("Outbox", () => {
  test("hands over in order, stops when the stream is full and goes on when it drains", () => {
    const { outbox } = harness();
    const written: number[] = [];
    outbox.push(1, 10, false);
    outbox.connect((frame) => written.push(frame) % 2 === 1);
    outbox.push(2, 10, false);
    outbox.push(3, 10, false);
    expect(written).toEqual([1, 2]);
    outbox.ready();
    expect(written).toEqual([1, 2, 3]);
    expect(outbox.isEmpty).toBe(true);
  });

  test("stops the target when too much waits and lets it go on when half is gone", () => {
    const { outbox, congestion } = harness(100);
    for (let frame = 0; frame < 11; frame++) outbox.push(frame, 10, false);
    expect(congestion).toEqual([true]);
    let accepted = 0;
    outbox.connect(() => (accepted += 1) < 3);
    expect(congestion).toEqual([true]);
    outbox.connect(() => true);
    expect(congestion).toEqual([true, false]);
  });

  test("repeats results that may have been lost, first and once, and nothing else", () => {
    const { outbox, clock } = harness(1_000);
    const first: number[] = [];
    outbox.connect((frame) => first.push(frame) > 0);
    outbox.push(1, 10, true);
    clock.now = 900;
    outbox.push(2, 10, false);
    outbox.push(3, 10, true);
    clock.now = 1_500;
    outbox.disconnect();
    outbox.push(4, 10, false);
    const second: number[] = [];
    outbox.connect((frame) => second.push(frame) > 0);
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([3, 4]);
  });

  test("loses nothing and keeps the order, whatever the stream does", () => {
    const step = fc.constantFrom("push", "connect", "disconnect", "ready");
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(fc.boolean(), { maxLength: 60 }),
        (steps, answers) => {
          const { outbox } = harness();
          const written: number[] = [];
          let pushed = 0;
          const sink = (frame: number) => {
            written.push(frame);
            return answers[written.length % Math.max(1, answers.length)] ?? true;
          };
          const act = {
            push: () => outbox.push(pushed++, 10, false),
            connect: () => outbox.connect(sink),
            disconnect: () => outbox.disconnect(),
            ready: () => outbox.ready(),
          };
          for (const each of steps) act[each]();
          outbox.connect((frame) => written.push(frame) > 0);
          expect(written).toEqual(Array.from({ length: pushed }, (_, index) => index));
        },
      ),
    );
  });
});
