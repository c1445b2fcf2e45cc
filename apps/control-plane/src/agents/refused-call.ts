import { Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import { isDatabaseUnavailable } from "../platform/database.js";

/** Why a call of an agent is refused, as the agent is told. `message` says what to do and holds no secret. */
export class RefusedCall extends Error {
  override readonly name = "RefusedCall";

  constructor(
    readonly code: status,
    message: string,
  ) {
    super(message);
  }
}

export interface CallStatus {
  readonly code: status;
  readonly details: string;
}

/** An agent that is locked tries again by itself until it is not. */
export function lockedStatus(reason: string): CallStatus {
  // gRPC carries it in a header.
  const said = reason.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200);
  return { code: status.UNAVAILABLE, details: `this agent is locked: ${said}` };
}

const logger = new Logger("agents");

/** The one place where an error becomes a gRPC status. What nobody foresaw is logged here and not told. */
export function statusOf(error: unknown): CallStatus {
  if (error instanceof RefusedCall) return { code: error.code, details: error.message };
  if (isDatabaseUnavailable(error)) {
    logger.error("the database does not answer", error instanceof Error ? error.message : undefined);
    return { code: status.UNAVAILABLE, details: "the control plane cannot reach its database; try again" };
  }
  logger.error("a call of an agent failed unexpectedly", error instanceof Error ? error.stack : undefined);
  return { code: status.INTERNAL, details: "something went wrong at the control plane; see its log" };
}
