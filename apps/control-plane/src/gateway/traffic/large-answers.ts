import { Logger } from "@nestjs/common";
import { METHODS } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { ChunkFromTarget } from "../../agents/index.js";
import { isOnlyForItsReader } from "../decisions/visible-part.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { type AnswerDelivery, answers } from "./answer-delivery.js";
import type { ExchangeEndings } from "./exchange-endings.js";
import { type LargeResponse, LargeResponses, storedMessage } from "./large-responses.js";
import type { StillAllowed } from "./still-allowed.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

const SHAREABLE =
  "what it says of caching cannot be changed above 4 MiB; cacheScope has to be private, ttlMs 60000 at most";
const NOTHING = new Uint8Array();

/** Responses of the target that are too large to be kept whole: recorded piece by piece, and delivered from there. */
export class LargeAnswers {
  private readonly logger = new Logger("gateway");
  private readonly responses: LargeResponses;

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "reader" | "recorder" | "tasks">,
    private readonly access: StillAllowed,
    private readonly delivery: AnswerDelivery,
    private readonly endings: ExchangeEndings,
  ) {
    this.responses = new LargeResponses(session, dependencies.recorder);
  }

  /** Resolves with the response when that was its last piece. */
  collect(chunk: ChunkFromTarget): Promise<LargeResponse | undefined> {
    return this.responses.take(chunk);
  }

  /** As Answers does, for what is in the recording already. */
  async take(response: LargeResponse, exchange: Exchange): Promise<void> {
    const { masked, stored } = response;
    const fault = faultOf(response, exchange);
    if (fault) {
      await this.endings.failed(exchange, ...fault);
      return;
    }
    if (await this.endings.isOverLimit(exchange, stored.bytes)) return;
    const end = await this.delivery.end(exchange, async () => {
      const attributes = {
        masked: { ...masked },
        stored: { ...stored },
        // It is told as it is stored: nothing can be added to it.
        ...(exchange.edited ? { editsNotTold: true } : {}),
      };
      if (response.failure || !(await this.rememberTask(response))) return this.delivery.withheld(exchange);
      const recorded = await this.delivery.record(exchange, NOTHING, attributes);
      if (!recorded) return this.delivery.withheld(exchange);
      const mayHear = await this.access.mayHear(exchange, recorded.epoch);
      return mayHear ? recorded : this.delivery.notShown(exchange);
    });
    if (end && "message" in end) await this.delivery.deliver(exchange, end);
    else if (end) this.deliver(response, exchange, end.index);
  }

  /** As for answers that come whole. */
  private async rememberTask({ taskId }: LargeResponse): Promise<boolean> {
    try {
      if (taskId !== undefined) await this.dependencies.tasks.remember(this.session, taskId);
      return true;
    } catch (error) {
      this.logger.error("whose a task is could not be written down", String(error));
      return false;
    }
  }

  private deliver(response: LargeResponse, exchange: Exchange, index: number): void {
    const { stored } = response;
    exchange.body.hold(response);
    this.session.finish(exchange);
    this.session.usage.countResult(stored.bytes);
    if (exchange.reply.open) exchange.heard?.();
    // Not waited for: what the client reads slowly comes from the recording, and nothing of the target waits for it.
    const mayGoOn = () => this.access.mayHearNow(exchange);
    const message = storedMessage({ stored, session: this.session, mayGoOn }, this.dependencies.reader);
    this.session
      .whileBusy(exchange.reply.finishLarge(message, index))
      .catch((error: unknown) => this.logger.warn("a large response was cut off", String(error)))
      .finally(() => exchange.body.letGo(response));
  }
}

/** What is wrong with a large response; whether it is recorded is another matter. */
function faultOf(
  { failure, id, caching }: LargeResponse,
  exchange: Exchange,
): readonly [ExchangeFailure, string] | undefined {
  if (failure === "not recorded") return undefined;
  if (failure === "malformed") return [ExchangeFailure.BAD_TARGET, "it is not a JSON-RPC message"];
  if (!answers({ id }, exchange)) return [ExchangeFailure.BAD_TARGET, "it answers another request"];
  // It is recorded as it came, and to be told so.
  if (!isOnlyForItsReader(caching, exchange.question)) return [ExchangeFailure.RESULT_TOO_LARGE, SHAREABLE];
  const fits = failure === undefined && mayBeLarge(exchange.method);
  return fits ? undefined : [ExchangeFailure.RESULT_TOO_LARGE, ""];
}

/** What has to be looked into before it may be delivered has to be there whole. */
function mayBeLarge(method: string): boolean {
  const isFiltered = METHODS.get(method)?.governance.as === "list" || method === "tasks/list";
  return method !== "initialize" && !isFiltered;
}
