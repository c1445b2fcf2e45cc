import { CreateTaskResultV2Schema, GetTaskResultV2Schema } from "@modelcontextprotocol/ext-tasks/core/v2";
import { describe, expect, test } from "vitest";
import type { HeldApproval } from "../../approvals/index.js";
import { inWords } from "./approval-words.js";
import { failedResult, taskCreated, type TaskState, taskTold } from "./task-answers.js";

const ID = { text: '"a\\u0062"' };
const CREATED = new Date("2026-11-23T08:00:00Z");

const APPROVAL: HeldApproval = {
  id: "01900000-0000-7000-8000-000000000001",
  state: "pending",
  sessionId: "01900000-0000-7000-8000-000000000002",
  exchange: 3,
  expiresAt: new Date(CREATED.getTime() + 900_000),
  url: "https://bridge.example/approvals/01900000-0000-7000-8000-000000000001",
  missing: [
    { group: "dba", count: 2 },
    { group: "leads", count: 1 },
  ],
  decidedBy: undefined,
  comment: undefined,
  edited: false,
  endReason: undefined,
  createdAt: CREATED,
  stateSince: CREATED,
};

const TASK = {
  taskId: "t-1",
  approval: APPROVAL,
  statusMessage: inWords(APPROVAL),
  updatedAt: new Date("2026-11-23T08:01:00Z"),
};

function resultOf(bytes: Uint8Array): Record<string, unknown> {
  const text = Buffer.from(bytes).toString();
  expect(text.startsWith('{"jsonrpc":"2.0","id":"a\\u0062",')).toBe(true);
  return (JSON.parse(text) as { result: Record<string, unknown> }).result;
}

describe("a task of ours", () => {
  test("is made as the tasks extension says, with who has to approve where and by when", () => {
    const result = resultOf(taskCreated(ID, TASK));
    expect(CreateTaskResultV2Schema.parse(result)).toMatchObject({
      resultType: "task",
      taskId: "t-1",
      status: "working",
      statusMessage: `Waiting for approval by 2 of dba and 1 of leads: ${APPROVAL.url}`,
      createdAt: "2026-11-23T08:00:00.000Z",
      lastUpdatedAt: "2026-11-23T08:01:00.000Z",
      ttlMs: 900_000 + 3_600_000,
      pollIntervalMs: 5_000,
    });
    expect(result["_meta"]).toEqual({
      "io.drawbridge/approval": {
        id: APPROVAL.id,
        state: "pending",
        url: APPROVAL.url,
        expiresAt: "2026-11-23T08:15:00.000Z",
      },
    });
  });

  test.each<[string, TaskState]>([
    ["works", { status: "working" }],
    ["was cancelled", { status: "cancelled" }],
    ["was answered", { status: "completed", result: '{"resultType":"complete","content":[]}' }],
    ["failed", { status: "failed", error: '{"code":-31006,"message":"not known"}' }],
  ])("that %s is told as the tasks extension says", (_, state) => {
    const told = GetTaskResultV2Schema.parse(resultOf(taskTold(ID, TASK, state)));
    expect(told).toMatchObject({ resultType: "complete", taskId: "t-1", status: state.status });
  });

  test("has the result of its target byte for byte", () => {
    const result = '{ "n" : 12345678901234567890, "f":1.0 ,"content":[]}';
    const text = Buffer.from(taskTold(ID, TASK, { status: "completed", result })).toString();
    expect(text.endsWith(`,"result":${result}}}`)).toBe(true);
  });

  test("that was refused is completed with a failed result of a tool", () => {
    const denied = { ...APPROVAL, state: "denied", decidedBy: "bob", comment: "not \ud800 today" } as const;
    const result = failedResult(inWords(denied), denied);
    const told = GetTaskResultV2Schema.parse(resultOf(taskTold(ID, TASK, { status: "completed", result })));
    expect(told).toMatchObject({
      result: {
        resultType: "complete",
        isError: true,
        content: [{ type: "text", text: "bob denied this call: not \ufffd today. It did not run." }],
      },
    });
  });
});
