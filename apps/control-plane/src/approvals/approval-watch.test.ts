import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ApprovalEndings } from "./approval-endings.js";
import { ApprovalWatch } from "./approval-watch.js";
import type { HeldApproval } from "./approvals.js";
import type { ApprovalMark, ApprovalsRepository } from "./approvals.repository.js";
import type { HeldApprovals } from "./held-approvals.js";

/** Approvals in memory, which can be out of reach. */
class FakeApprovals {
  readonly all = new Map<string, HeldApproval>();
  readonly due = new Set<string>();
  looks = 0;
  reads = 0;
  isDown = false;

  add(id: string): HeldApproval {
    const held: HeldApproval = {
      id,
      state: "pending",
      sessionId: "s",
      exchange: 1,
      expiresAt: new Date(0),
      createdAt: new Date(0),
      stateSince: new Date(0),
      url: "",
      missing: [{ group: "dba", count: 2 }],
      decidedBy: undefined,
      comment: undefined,
      edited: false,
      endReason: undefined,
    };
    this.all.set(id, held);
    return held;
  }

  set(id: string, said: Partial<HeldApproval>): void {
    this.all.set(id, { ...this.of(id), ...said });
  }

  of(id: string): HeldApproval {
    return this.all.get(id) ?? this.add(id);
  }

  watch(): ApprovalWatch {
    const repository = {
      marks: (ids: readonly string[]): Promise<ApprovalMark[]> => {
        this.looks += 1;
        if (this.isDown) return Promise.reject(new Error("connection refused"));
        const marks = ids.map((id) => ({ id, mark: JSON.stringify(this.of(id)), due: this.due.has(id) }));
        return Promise.resolve(marks);
      },
    };
    const held = {
      ofIds: (ids: readonly string[]) => {
        this.reads += 1;
        return Promise.resolve(ids.map((id) => this.of(id)));
      },
    };
    const endings = {
      expire: (id: string) => {
        this.due.delete(id);
        this.set(id, { state: "expired" });
        return Promise.resolve();
      },
    };
    return new ApprovalWatch({
      repository: repository as unknown as ApprovalsRepository,
      held: held as unknown as HeldApprovals,
      endings: endings as unknown as ApprovalEndings,
      now: () => new Date(),
    });
  }
}

let approvals: FakeApprovals;
let watch: ApprovalWatch;
const forever = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
  approvals = new FakeApprovals();
  watch = approvals.watch();
});
afterEach(() => vi.useRealTimers());

describe("whoever waits for an approval", () => {
  test("hears of a change within half a second, and of one that came before they waited", async () => {
    const known = approvals.add("a");
    const changed = watch.changed(known, forever);
    await vi.advanceTimersByTimeAsync(400);
    approvals.set("a", { missing: [{ group: "dba", count: 1 }] });
    await vi.advanceTimersByTimeAsync(100);
    expect(await changed).toMatchObject({ missing: [{ count: 1 }] });
    const late = watch.changed(known, forever);
    await vi.advanceTimersByTimeAsync(500);
    expect(await late).toMatchObject({ missing: [{ count: 1 }] });
  });

  test("hears of it at once after a hint", async () => {
    const changed = watch.changed(approvals.add("a"), forever);
    approvals.set("a", { state: "approved" });
    watch.lookSoon();
    await vi.advanceTimersByTimeAsync(20);
    expect(await changed).toMatchObject({ state: "approved" });
  });

  test("costs one look for all, and reads only what has changed", async () => {
    const waits = Array.from({ length: 1_000 }, (_, index) =>
      watch.changed(approvals.add(`a-${index}`), forever),
    );
    await vi.advanceTimersByTimeAsync(500);
    expect([approvals.looks, approvals.reads]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([approvals.looks, approvals.reads]).toEqual([11, 1]);
    for (const id of approvals.all.keys()) approvals.set(id, { state: "denied" });
    await vi.advanceTimersByTimeAsync(500);
    expect((await Promise.all(waits)).every(({ state }) => state === "denied")).toBe(true);
    expect([approvals.looks, approvals.reads]).toEqual([12, 2]);
  });

  test("is done when they abort; nobody looks when nobody waits, and again when somebody does", async () => {
    const leaving = new AbortController();
    const gone = watch.changed(approvals.add("a"), leaving.signal);
    leaving.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    await expect(watch.changed(approvals.of("a"), leaving.signal)).rejects.toThrow("left");
    await vi.advanceTimersByTimeAsync(600);
    const { looks } = approvals;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(approvals.looks).toBe(looks);
    const changed = watch.changed(approvals.of("a"), forever);
    approvals.set("a", { state: "denied" });
    await vi.advanceTimersByTimeAsync(500);
    expect(await changed).toMatchObject({ state: "denied" });
  });

  test("waits on while the database does not answer", async () => {
    const changed = watch.changed(approvals.add("a"), forever);
    approvals.isDown = true;
    approvals.set("a", { state: "approved" });
    await vi.advanceTimersByTimeAsync(60_000);
    approvals.isDown = false;
    await vi.advanceTimersByTimeAsync(500);
    expect(await changed).toMatchObject({ state: "approved" });
  });

  test("hears that the time is over though nobody else noticed", async () => {
    const changed = watch.changed(approvals.add("a"), forever);
    approvals.due.add("a");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await changed).toMatchObject({ state: "expired" });
  });

  test("hears nothing more after the end of the process", async () => {
    const changed = watch.changed(approvals.add("a"), forever);
    const stopped = watch.stop();
    await vi.advanceTimersByTimeAsync(500);
    await stopped;
    approvals.set("a", { state: "approved" });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await Promise.race([changed, Promise.resolve("waits")])).toBe("waits");
  });
});
