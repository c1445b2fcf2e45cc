import { Logger } from "@nestjs/common";
import { errorCodeOf, type McpResponse, taskIdOf } from "@drawbridge/mcp";
import type { MessageFromTarget } from "../../agents/index.js";
import type { LiveSnapshot } from "../decisions/live-state.js";
import { type TargetRefusal, TargetRights } from "../decisions/target-rights.js";
import { visiblePart } from "../decisions/visible-part.js";
import { wantedByResult } from "../decisions/wanted-of-client.js";
import { tellOfEdits } from "../holding/edited-results.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { type AnswerDelivery, answers, type Last } from "./answer-delivery.js";
import type { ExchangeEndings } from "./exchange-endings.js";
import type { Recorded } from "./recorder.js";
import type { StillAllowed } from "./still-allowed.js";
import { TargetLimits } from "./target-limits.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** What of an answer the client may see, and the methods of what it asks for. */
interface Examined {
  readonly payload: Uint8Array;
  readonly wanted: readonly string[];
  /** Of tasks/list. */
  readonly ownTasks: ReadonlySet<string> | undefined;
}

/** Responses of the target that came whole: examined, recorded, and delivered as far as they may be seen by then. */
export class Answers {
  private readonly logger = new Logger("gateway");
  private readonly rights: TargetRights;
  private readonly limits: TargetLimits;

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<
      TrafficDependencies,
      "limits" | "onInitialized" | "recorder" | "tasks"
    >,
    private readonly access: StillAllowed,
    private readonly delivery: AnswerDelivery,
    private readonly endings: ExchangeEndings,
  ) {
    this.rights = new TargetRights(session);
    this.limits = new TargetLimits(session, dependencies, this.rights);
  }

  async take(received: McpResponse, message: MessageFromTarget, exchange: Exchange | undefined) {
    if (!exchange || !answers(received, exchange)) {
      await this.unexpected(received, message, exchange);
      return;
    }
    const { method, edited } = exchange;
    const response = edited ? tellOfEdits(received, method, edited) : received;
    const known = await this.access.known();
    const answer = await this.examine(response, exchange, known);
    if ("fault" in answer) {
      await this.endings.badTarget(exchange, answer.fault);
      return;
    }
    const refusal =
      this.rights.refusalToAsk(answer.wanted, exchange, known) ??
      (await this.limits.refusalOf(answer.wanted, exchange, known));
    if (refusal) {
      await this.withholdWhatAsks(exchange, refusal, message);
      return;
    }
    if (await this.endings.isOverLimit(exchange, answer.payload.length)) return;
    const last = await this.delivery.end(exchange, async () => {
      if (!(await this.rememberTask(response))) return this.delivery.withheld(exchange);
      const attributes = { masked: { ...message.masked } };
      const recorded = await this.delivery.record(exchange, answer.payload, attributes);
      if (!recorded) return this.delivery.withheld(exchange);
      return this.release(response, exchange, { ...answer, recorded, known });
    });
    if (last) await this.delivery.deliver(exchange, last);
  }

  /** Or why it is no answer to the request. */
  private async examine(
    response: McpResponse,
    exchange: Exchange,
    live: LiveSnapshot,
  ): Promise<Examined | { readonly fault: string }> {
    const { method, question } = exchange;
    const ownTasks =
      method === "tasks/list" ? await this.dependencies.tasks.ownedIn(this.session, response) : undefined;
    const toolDigests = this.session.tools.digests;
    const payload = visiblePart(response, question, live, { ownTasks, toolDigests });
    if (payload === undefined) return { fault: `it is not the result of ${method}` };
    const wanted = wantedByResult(response, this.session.era);
    if (wanted === "unreadable") return { fault: "what it asks of the client cannot be read" };
    return { payload, wanted, ownTasks };
  }

  private async withholdWhatAsks(
    exchange: Exchange,
    { method, ...decision }: TargetRefusal,
    { masked, payload }: MessageFromTarget,
  ): Promise<void> {
    await this.dependencies.recorder.tryToRecord(this.session, {
      kind: "server_request",
      direction: "target_to_client",
      exchange: exchange.number,
      method,
      attributes: { masked: { ...masked } },
      payload,
      decision,
    });
    await this.endings.asksTooMuch(exchange, method);
  }

  /** False when whose task it is could not be written down; then nobody may hear of it. */
  private async rememberTask(response: McpResponse): Promise<boolean> {
    try {
      const taskId = response.isError ? undefined : taskIdOf(response);
      if (taskId !== undefined) await this.dependencies.tasks.remember(this.session, taskId);
      return true;
    } catch (error) {
      this.logger.error("whose a task is could not be written down", String(error));
      return false;
    }
  }

  /** What is told of what is recorded: as much of it as may be seen by then. */
  private async release(
    response: McpResponse,
    exchange: Exchange,
    answer: Examined & { readonly recorded: Recorded; readonly known: LiveSnapshot },
  ): Promise<Last> {
    const { epoch, index } = answer.recorded;
    const live = await this.access.at(epoch, answer.known);
    const allowed = await this.access.mayHear(exchange, epoch);
    if (!allowed || this.rights.refusalToAsk(answer.wanted, exchange, live))
      return this.delivery.notShown(exchange);
    if (exchange.method === "initialize") await this.dependencies.onInitialized(this.session, response);
    const listed = { ownTasks: answer.ownTasks, toolDigests: this.session.tools.digests };
    const message = visiblePart(response, exchange.question, live, listed) ?? answer.payload;
    return { message, index, code: errorCodeOf(response) };
  }

  /** An answer to nothing that was asked. The agent does not send such; it is kept, and nobody hears it. */
  private async unexpected(
    response: McpResponse,
    { masked, final }: MessageFromTarget,
    exchange: Exchange | undefined,
  ) {
    const attributes = { unexpected: true, masked };
    const said = { kind: "notification", direction: "target_to_client", attributes } as const;
    await this.dependencies.recorder.tryToRecord(this.session, { ...said, payload: response.bytes });
    if (exchange && final) await this.endings.badTarget(exchange, "it answers another request");
  }
}
