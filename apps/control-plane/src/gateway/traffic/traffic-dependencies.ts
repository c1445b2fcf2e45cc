import type { McpResponse } from "@drawbridge/mcp";
import type { ToolsFromTarget } from "../../agents/index.js";
import type { RecordingReader } from "../../recordings/index.js";
import type { Limits } from "../../limits/index.js";
import type { LiveState } from "../decisions/live-state.js";
import type { TaskOwnership } from "../decisions/task-ownership.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import type { Recorder } from "./recorder.js";

/** What the traffic of a session needs from the rest of the gateway. */
export interface TrafficDependencies {
  readonly recorder: Recorder;
  readonly reader: Pick<RecordingReader, "chunks" | "events">;
  readonly live: Pick<LiveState, "atLeast" | "known" | "now">;
  readonly limits: Pick<Limits, "take">;
  readonly tasks: Pick<TaskOwnership, "ownedIn" | "remember">;
  /** Whether nobody has ended the session, here or at another control plane. */
  readonly isOpen: (session: GatewaySession) => Promise<boolean>;
  readonly onInitialized: (session: GatewaySession, response: McpResponse) => Promise<void>;
  readonly onVersions: (versions: readonly string[]) => Promise<void>;
  readonly onTools: (listed: ToolsFromTarget) => Promise<void>;
  readonly onEnded: (session: GatewaySession, reason: string) => Promise<void>;
}
