import { errorResponse, httpStatusOfError, idKey, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { EventAttributes } from "@drawbridge/recording";
import { RecordingUnavailableError } from "../../recordings/index.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { accessEnded } from "./exchange-failures.js";
import type { Recorded } from "./recorder.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** The last message of an exchange. */
export interface Last {
  readonly message: Uint8Array;
  /** Where in the recording it is; undefined for what is not there as it is told. */
  readonly index?: number | undefined;
  /** Of an error. */
  readonly code?: number | undefined;
  /** Where it does not follow from the code. */
  readonly status?: number | undefined;
}

/** The end of an exchange: its answer, or what is told instead, is recorded and then delivered. */
export class AnswerDelivery {
  /** What is being written down as the end of an exchange, or was. */
  private readonly ends = new WeakMap<Exchange, Promise<unknown>>();

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "onEnded" | "recorder">,
  ) {}

  /** Has the end of an exchange written down, which it has once: undefined when it has another one. */
  async end<Written>(exchange: Exchange, write: () => Promise<Written>): Promise<Written | undefined> {
    if (this.ends.has(exchange) || !this.session.isInFlight(exchange.number)) return undefined;
    const writing = write();
    this.ends.set(exchange, writing);
    return writing;
  }

  /** Whether the end of the exchange is written down, if need be in a moment; who writes it tells it, too. */
  async hasEnd(exchange: Exchange): Promise<boolean> {
    const writing = this.ends.get(exchange);
    if (!writing) return false;
    try {
      await writing;
      return true;
    } catch {
      this.ends.delete(exchange);
      return false;
    }
  }

  /** Undefined when the answer could not be recorded: then it has to be withheld. */
  async record(
    exchange: Exchange,
    payload: Uint8Array,
    about: EventAttributes,
  ): Promise<Recorded | undefined> {
    const { number, method, name } = exchange;
    const attributes = { ...about, delivered: exchange.reply.open && !exchange.cancelled };
    try {
      return await this.dependencies.recorder.record(this.session, {
        kind: "response",
        direction: "target_to_client",
        exchange: number,
        method,
        name,
        attributes,
        payload,
      });
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      return undefined;
    }
  }

  /** The target has answered, and nobody can prove it: so nobody hears it. */
  withheld(exchange: Exchange): Last {
    const { number, method, name } = exchange;
    this.dependencies.recorder.owe(this.session, {
      kind: "outcome_unknown",
      exchange: number,
      method,
      name,
      attributes: { reason: "the target answered, but the answer could not be recorded and was withheld" },
    });
    const said = "the request ran, but its result could not be recorded and is withheld; it is not repeated";
    const error = { code: RpcErrorCode.RecordingUnavailable, message: said };
    return { message: errorResponse(exchange.id, error) };
  }

  /** Access ended after the answer was recorded as delivered: what is recorded then says that it was not. */
  notShown(exchange: Exchange): Last {
    const { number, method, name, id } = exchange;
    this.dependencies.recorder.owe(this.session, {
      kind: "decision",
      direction: "target_to_client",
      exchange: number,
      method,
      name,
      attributes: { withheld: true },
      decision: { effect: "deny", reason: "access ended while the request ran" },
    });
    return { message: accessEnded(id) };
  }

  async deliver(exchange: Exchange, { message, index, code, status }: Last): Promise<void> {
    this.session.finish(exchange);
    this.session.usage.countResult(message.length);
    // Whoever hears the answer may call again at once.
    await exchange.hold?.release();
    const neverOpened = this.whyNeverOpened(exchange);
    if (neverOpened !== undefined) exchange.reply.forgetSession();
    if (exchange.reply.open) exchange.heard?.();
    await exchange.reply.finish(message, status ?? this.statusOf(exchange, code), index);
    if (neverOpened !== undefined) await this.dependencies.onEnded(this.session, neverOpened);
  }

  /** The HTTP status, as long as the answer is no stream. */
  private statusOf({ method }: Exchange, code: number | undefined): number {
    if (code === undefined) return 200;
    if (this.session.era === "modern") return httpStatusOfError(code);
    return method === "initialize" && code === RpcErrorCode.UnsupportedProtocolVersion ? 400 : 200;
  }

  private whyNeverOpened({ method, reply }: Exchange): string | undefined {
    if (method !== "initialize") return undefined;
    if (this.session.protocolVersion === undefined) return "the target did not accept initialize";
    // Nobody knows the id of the session, so nobody could ever close it.
    return reply.open ? undefined : "the client left before it was told its session";
  }
}

export function answers({ id }: Pick<McpResponse, "id">, exchange: Exchange): boolean {
  return id !== undefined && idKey(id) === idKey(exchange.id);
}
