import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import type { GatewayDecision } from "../decisions/decide.js";
import type { GatewayError } from "../gateway-error.js";
import type { Incoming } from "../traffic/incoming.js";
import type { Awaited, Watch } from "./awaited.js";

/** What becomes of a call that access would allow. */
export type WithoutAccess =
  /** The caller is told how to ask. */
  | { readonly kind: "explain"; readonly refusal: GatewayError }
  /** The client is asked for a reason: this result (`input_required`) is its answer. */
  | { readonly kind: "ask"; readonly result: object }
  /** Access is asked for: the call waits. Once it is given the call is decided about again, as a new one. */
  | { readonly kind: "wait"; readonly awaited: Awaited; readonly watch: Watch };

/** A call that is denied, and would not be with access that its caller may ask for. */
@Injectable()
export class AccessOnCall {
  /** Of a denial with `requestable`, once it is recorded. A repeat finds the request that was filed for the first. */
  of(_incoming: Incoming<McpRequest>, _decision: GatewayDecision): Promise<WithoutAccess> {
    throw new Error("not there yet");
  }
}
