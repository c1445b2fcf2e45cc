import { Injectable } from "@nestjs/common";
import { AgentUnavailableError, type OpenSessionLink, type SessionLink } from "./session-link.js";

/** The agents that are connected to this replica, and the sessions at them. */
@Injectable()
export class AgentLinks {
  /** True when a session for this group could be opened now. */
  isOnline(_group: string): boolean {
    return false;
  }

  /** @throws AgentUnavailableError */
  async open(request: OpenSessionLink): Promise<SessionLink> {
    throw new AgentUnavailableError(`no agent of group ${request.group} is connected`);
  }
}
