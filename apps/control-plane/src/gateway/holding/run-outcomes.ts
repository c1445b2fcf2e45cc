import { Injectable } from "@nestjs/common";
import { type McpRequest, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import { EXCHANGE_ENDS, type RecordedEvent } from "@drawbridge/recording";
import { RecordingReader, storedResponse } from "../../recordings/index.js";
import { messageOf } from "../replies/replay.js";
import { unknownOutcome } from "../traffic/exchange-failures.js";

/** Where the run of an approved operation is recorded. */
export interface RecordedRun {
  readonly sessionId: string;
  readonly exchange: number;
}

/** How a run ended, as its caller may hear it. */
export interface RunOutcome {
  /** What ran, as it is recorded, to decide whether its answer may be heard. Undefined when that cannot be read. */
  readonly request: McpRequest | undefined;
  readonly kind: "answered" | "failed" | "cancelled";
  /** JSON text: of the result of what was answered, of the error of what failed. */
  readonly text: string;
  readonly at: Date;
}

const TOO_LARGE =
  "the request ran, but its result is larger than a task may carry and is withheld; ask for less, or call without tasks";

/** What became of calls that ran while nobody was connected for their answer, from their recordings. */
@Injectable()
export class RunOutcomes {
  constructor(private readonly reader: RecordingReader) {}

  /** Undefined while it runs. @throws DamagedRecordingError, RecordingUnavailableError */
  async of({ sessionId, exchange }: RecordedRun): Promise<RunOutcome | undefined> {
    let isCancelled = false;
    for await (const { event } of this.reader.events(sessionId, { exchange, after: -1 })) {
      isCancelled ||= event.attributes["cancelled"] !== undefined;
      if (!(EXCHANGE_ENDS as readonly string[]).includes(event.kind)) continue;
      const recorded = await this.reader.request(sessionId, exchange);
      const request = recorded && messageOf(recorded);
      const end = endOf(event, isCancelled);
      return { ...end, request: request?.kind === "request" ? request : undefined, at: new Date(event.at) };
    }
    return undefined;
  }
}

function endOf(event: RecordedEvent, isCancelled: boolean): Pick<RunOutcome, "kind" | "text"> {
  if (storedResponse(event.attributes))
    return failed({ code: RpcErrorCode.ResultTooLarge, message: TOO_LARGE });
  const response = messageOf(event);
  if (event.kind === "outcome_unknown" && isCancelled) return { kind: "cancelled", text: "" };
  if (response?.kind !== "response") return failed(unknownOr(event));
  if (response.ranges.result) return { kind: "answered", text: textOf(response, response.ranges.result) };
  return response.ranges.error
    ? { kind: "failed", text: textOf(response, response.ranges.error) }
    : failed(unknownOr(event));
}

/** Of an end that was written when nobody could be told. */
function unknownOr({ kind }: RecordedEvent): { readonly code: number; readonly message: string } {
  if (kind === "not_sent")
    return { code: RpcErrorCode.TargetUnavailable, message: "the request was not sent, so nothing ran" };
  const { code, says } = unknownOutcome("the control plane or the agent stopped before an answer came");
  return { code, message: says };
}

function failed({ code, message }: { readonly code: number; readonly message: string }) {
  return { kind: "failed", text: JSON.stringify({ code, message }) } as const;
}

function textOf({ bytes }: McpResponse, [start, end]: readonly [number, number]): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
}
