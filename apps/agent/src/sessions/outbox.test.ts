import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Entry, Outbox, Train } from "./outbox.js";

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

function plain(frame: number): Entry<number> {
  return { frame, bytes: 10 };
}

/** May be said twice. */
function result(frame: number): Entry<number> {
  return { ...plain(frame), ifLost: { frame, bytes: 10 } };
}

describe("Outbox", () => {
  test("hands over in order, stops when the stream is full and goes on when it drains", () => {
    const { outbox } = harness();
    const written: number[] = [];
    outbox.push(plain(1));
    outbox.connect((frame) => written.push(frame) % 2 === 1);
    outbox.push(plain(2));
    outbox.push(plain(3));
    expect(written).toEqual([1, 2]);
    outbox.ready();
    expect(written).toEqual([1, 2, 3]);
    expect(outbox.isEmpty).toBe(true);
  });

  test("stops the target when too much waits and lets it go on when half is gone", () => {
    const { outbox, congestion } = harness(100);
    for (let frame = 0; frame < 11; frame++) outbox.push(plain(frame));
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
    outbox.push(result(1));
    clock.now = 900;
    outbox.push(plain(2));
    outbox.push(result(3));
    clock.now = 1_500;
    outbox.disconnect();
    outbox.push(plain(4));
    const second: number[] = [];
    outbox.connect((frame) => second.push(frame) > 0);
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([3, 4]);
  });

  test("says something else in place of what may have been lost and cannot be repeated", () => {
    const { outbox } = harness();
    const first: number[] = [];
    outbox.connect((frame) => first.push(frame) > 0);
    outbox.push({ frame: 1, bytes: 10, ifLost: { frame: -1, bytes: 1 } });
    outbox.disconnect();
    const second: number[] = [];
    outbox.connect((frame) => second.push(frame) > 0);
    outbox.disconnect();
    const third: number[] = [];
    outbox.connect((frame) => third.push(frame) > 0);
    expect([first, second, third]).toEqual([[1], [-1], [-1]]);
  });

  test("forgets what waits of a train that is not completed, and lets the target go on for it", () => {
    const { outbox, congestion } = harness(50);
    const train = new Train();
    outbox.push(plain(1));
    for (let frame = 2; frame < 8; frame++) outbox.push({ ...plain(frame), train });
    outbox.push(plain(8));
    expect([train.waiting, train.isUnderWay, congestion]).toEqual([6, false, [true]]);
    outbox.derail(train);
    expect([train.waiting, congestion]).toEqual([0, [true, false]]);
    const written: number[] = [];
    outbox.connect((frame) => written.push(frame) > 0);
    expect(written).toEqual([1, 8]);
  });

  test("knows how much of a train is on its way", () => {
    const { outbox } = harness();
    const train = new Train();
    for (let frame = 0; frame < 3; frame++) outbox.push({ ...plain(frame), train });
    outbox.connect(() => false);
    expect([train.waiting, train.isUnderWay]).toEqual([2, true]);
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
            push: () => outbox.push(plain(pushed++)),
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
