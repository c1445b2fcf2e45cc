export { AgentLinks } from "./agent-links.js";
export { AgentsModule } from "./agents.module.js";
export {
  AgentUnavailableError,
  type ChunkFromTarget,
  type FailedExchange,
  type MessageFromTarget,
  type MessageToTarget,
  type OpenSessionLink,
  type SessionLink,
  type SessionLinkListener,
  type ToolFromTarget,
  type ToolsFromTarget,
} from "./session-link.js";
