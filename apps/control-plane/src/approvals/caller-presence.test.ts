import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ApprovalsRepository } from "./approvals.repository.js";
import { CallerPresence } from "./caller-presence.js";

type Said = readonly { readonly id: string; readonly exchange: number | undefined }[];

let said: { legs: Said; until: number }[];
let isDown: boolean;
let presence: CallerPresence;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  said = [];
  isDown = false;
  const repository = {
    present: (present: Said, until: Date) => {
      if (isDown) return Promise.reject(new Error("connection refused"));
      said.push({ legs: present, until: until.getTime() });
      return Promise.resolve();
    },
  };
  presence = new CallerPresence(repository as unknown as ApprovalsRepository, () => new Date());
});
afterEach(() => {
  presence.stop();
  vi.useRealTimers();
});

describe("the legs of a process", () => {
  test("are said to be there at once, every 15 s, and when they end, all in one statement", async () => {
    const leave = Array.from({ length: 1_000 }, (_, index) => presence.attend(`a-${index}`, index));
    await vi.advanceTimersByTimeAsync(0);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ until: 60_000 });
    expect(said[0]?.legs[7]).toEqual({ id: "a-7", exchange: 7 });
    await vi.advanceTimersByTimeAsync(15_000);
    expect(said).toHaveLength(2);
    expect(said[1]).toMatchObject({ until: 75_000 });
    expect(said[1]?.legs).toHaveLength(1_000);
    expect(said[1]?.legs[7]).toEqual({ id: "a-7", exchange: undefined });
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all(leave.map((each) => each()));
    expect(said).toHaveLength(3);
    expect(said[2]).toMatchObject({ until: 76_000 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(said).toHaveLength(3);
  });

  test("keep each other there: one of two ends, twice", async () => {
    const [first, second] = [presence.attend("a", 1), presence.attend("a", 2)];
    await Promise.all([first(), first()]);
    said.length = 0;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(said).toHaveLength(1);
    await second();
    said.length = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(said).toEqual([]);
  });

  test("are said to be there soon after the database answers again", async () => {
    const leave = presence.attend("a", 1);
    await vi.advanceTimersByTimeAsync(0);
    isDown = true;
    await vi.advanceTimersByTimeAsync(120_000);
    isDown = false;
    said.length = 0;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(said.map(({ legs: each }) => each)).toEqual([[{ id: "a", exchange: undefined }]]);
    isDown = true;
    await expect(leave()).resolves.toBeUndefined();
  });
});
