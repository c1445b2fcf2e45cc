import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { ConnectRequest, ConnectResponse, SessionRequest, SessionResponse } from "@drawbridge/protocol";
import type { CallStatus } from "./refused-call.js";

export type ControlCall = ServerDuplexStream<ConnectRequest, ConnectResponse>;
export type SessionCall = ServerDuplexStream<SessionRequest, SessionResponse>;
type AgentCall = ControlCall | SessionCall;

/**
 * The frames of a call, one at a time: the next is read when the one before has been dealt with, so a slow reader slows
 * the agent down instead of filling memory. Throws when the call breaks.
 */
export function framesOf<Frame>(
  call: ServerDuplexStream<Frame, never>,
): AsyncIterableIterator<Frame, undefined> {
  // A stream of objects would otherwise be read 16 frames ahead, of up to the largest message each.
  (call as unknown as { _readableState: { highWaterMark: number } })._readableState.highWaterMark = 1;
  return call.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Frame, undefined>;
}

/** Ends a call with a status, after what was written before. Does nothing to a call that is over. */
export function endCall(call: AgentCall, status: CallStatus): void {
  // grpc-js takes the status of a stream from its error event.
  if (!isOver(call)) call.emit("error", status);
}

/** Ends a call well, after what was written before. */
export function finishCall(call: AgentCall): void {
  if (!isOver(call)) call.end();
}

export function isOver(call: AgentCall): boolean {
  return call.writableEnded || call.destroyed || call.cancelled;
}

/** Resolves when nothing more can come from or go to the agent on this call. */
export function closed(call: AgentCall): Promise<void> {
  return new Promise((resolve) => {
    if (call.destroyed || call.readableEnded) resolve();
    call.once("end", resolve);
    call.once("close", resolve);
  });
}
