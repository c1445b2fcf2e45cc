import { randomBytes } from "node:crypto";
import { Injectable } from "@nestjs/common";
import { errorResponse, type JsonRpcId, type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import { Approvals, type HeldApproval } from "../../approvals/index.js";
import { declaresTasks } from "../decisions/task-capability.js";
import { TaskOwnership } from "../decisions/task-ownership.js";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";
import { ToTarget } from "../traffic/to-target.js";
import { inWords } from "./approval-words.js";
import { acknowledged, failedResult, taskCreated, type TaskState, taskTold } from "./task-answers.js";
import { TaskDelivery } from "./task-delivery.js";
import { CANCELLED_BY_CALLER, isOpen, type Poll, TaskStandings } from "./task-standings.js";

const ID_BYTES = 16;
const METHODS_OF_TASKS: ReadonlySet<string> = new Set(["tasks/get", "tasks/update", "tasks/cancel"]);

/**
 * A call of 2026-07-28 that is held as a task of ours, and what its client asks of that task. The poll that finds it
 * approved is the leg that has it run; the next ones are told its result from the recording (ADR 0009, ADR 0010).
 */
@Injectable()
export class HeldTasks {
  constructor(
    private readonly approvals: Approvals,
    private readonly tasks: TaskOwnership,
    private readonly standings: TaskStandings,
    private readonly delivery: TaskDelivery,
    private readonly target: ToTarget,
  ) {}

  /** Whether the caller of what needs an approval waits by a task. Otherwise it waits in one of the other ways. */
  areWaitedBy({ session, message }: Incoming<McpRequest>): boolean {
    return session.era === "modern" && message.method === "tools/call" && declaresTasks(message);
  }

  /** The id of a task, for OperationToHold.taskId. Nobody has heard of it yet. */
  newId(): string {
    return randomBytes(ID_BYTES).toString("base64url");
  }

  /**
   * After Approvals.hold: remembers whose the task is, records and delivers the CreateTaskResult, and finishes the exchange.
   * Of what has ended already it is told at once how, without a task.
   */
  async tell(
    incoming: Incoming<McpRequest>,
    exchange: Exchange,
    { taskId, approval }: { readonly taskId: string; readonly approval: HeldApproval },
  ): Promise<void> {
    const poll = { incoming, exchange, taskId };
    if (!isOpen(approval)) {
      await this.tellEnded(poll, approval);
      return;
    }
    const { session, message } = incoming;
    await this.tasks.remember(session, taskId);
    const task = { taskId, approval, statusMessage: inWords(approval), updatedAt: approval.stateSince };
    await this.whileThere(approval, poll, () =>
      this.delivery.give(poll, { message: taskCreated(message.id, task), approval }),
    );
  }

  /**
   * Before a request is decided about: the approval whose task it names with tasks/get, tasks/update or tasks/cancel.
   * Goes into Incoming.heldTask, by which it is decided about as part of using the target. Undefined of anything else.
   */
  async of({ session, message, ownsTasks }: Incoming<McpRequest>): Promise<HeldApproval | undefined> {
    const { method, name } = message;
    const isAboutTask = session.era === "modern" && METHODS_OF_TASKS.has(method);
    if (!isAboutTask || name === undefined || ownsTasks !== true) return undefined;
    const { targetId, principal, oauthClient } = session;
    return this.approvals.ofTask(name, targetId, { principal, oauthClient });
  }

  /** Instead of sending the allowed request of such a task: answers it and finishes the exchange. */
  async answer(incoming: Incoming<McpRequest>, exchange: Exchange, approval: HeldApproval): Promise<void> {
    const { method, name: taskId = "" } = incoming.message;
    const poll = { incoming, exchange, taskId };
    if (method === "tasks/update") await this.refuseInput(poll, approval);
    else if (method === "tasks/cancel") await this.cancel(poll, approval);
    else await this.get(poll, approval);
  }

  private async get(poll: Poll, found: HeldApproval): Promise<void> {
    await this.whileThere(found, poll, async () => {
      const standing = await this.standings.of(poll, found);
      const { approval, state, outcome } = standing;
      const message = taskTold(poll.incoming.message.id, { taskId: poll.taskId, ...standing }, state);
      await this.delivery.give(poll, { message, approval, outcome });
      if (state.status !== "working") await this.approvals.told(approval.id);
    });
  }

  private async cancel(poll: Poll, approval: HeldApproval): Promise<void> {
    await this.approvals.cancel(approval.id, CANCELLED_BY_CALLER);
    const now = await this.standings.again(poll, approval);
    if (now.state === "consumed") this.cancelRun(poll, now);
    await this.delivery.give(poll, { message: acknowledged(poll.incoming.message.id), approval: now });
  }

  /** As far as this process runs it: cancelling is a wish (tasks extension, tasks/cancel). */
  private cancelRun({ incoming: { session } }: Poll, { sessionId, exchange }: HeldApproval): void {
    const run = sessionId === session.id ? session.exchange(exchange) : undefined;
    if (run) this.target.left(session, run, "the client cancelled its task");
  }

  /** It waits for people. */
  private async refuseInput(poll: Poll, approval: HeldApproval): Promise<void> {
    const code = RpcErrorCode.InvalidParams;
    const said = "the task waits for people and takes no input; poll it with tasks/get";
    const message = errorResponse(poll.incoming.message.id, { code, message: said });
    await this.delivery.give(poll, { message, approval, code });
  }

  /** The same call again, of which the caller has not heard how it ended: a second task would tell nothing else. */
  private async tellEnded(poll: Poll, approval: HeldApproval): Promise<void> {
    const { id } = poll.incoming.message;
    const { state, outcome, statusMessage } = await this.standings.ofEnded(approval);
    const isRunning = state.status === "working";
    const said = isRunning ? "The same call is running already; wait for its task." : statusMessage;
    const message = answerOf(id, state) ?? answered(id, failedResult(said, approval));
    await this.delivery.give(poll, { message, approval, outcome });
    if (!isRunning) await this.approvals.told(approval.id);
  }

  /** While its request is answered the caller is there, and for a minute afterwards. */
  private async whileThere(
    approval: HeldApproval,
    { exchange, incoming: { session } }: Poll,
    work: () => Promise<void>,
  ): Promise<void> {
    const number = approval.sessionId === session.id ? exchange.number : undefined;
    const leave = isOpen(approval) ? this.approvals.attend(approval.id, number) : undefined;
    try {
      await work();
    } finally {
      await leave?.();
    }
  }
}

/** As an answer to the call itself; undefined of what has neither a result nor an error. */
function answerOf(id: JsonRpcId, state: TaskState): Uint8Array | undefined {
  if (state.status === "completed") return answered(id, state.result);
  return state.status === "failed"
    ? Buffer.from(`{"jsonrpc":"2.0","id":${id.text},"error":${state.error}}`)
    : undefined;
}

function answered(id: JsonRpcId, result: string): Uint8Array {
  return Buffer.from(`{"jsonrpc":"2.0","id":${id.text},"result":${result}}`);
}
