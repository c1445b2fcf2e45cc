import { Controller, Delete, Get, HttpCode, Param, Query, SerializeOptions } from "@nestjs/common";
import { AgentPage, AgentView, PageQuery } from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { AgentsService } from "./agents.service.js";

@Controller("api/v1/agents")
export class AgentsController {
  constructor(private readonly agents: AgentsService) {}

  @Get()
  @Requires("agent:read")
  @SerializeOptions({ schema: AgentPage })
  list(@Query({ schema: PageQuery }) query: PageQuery) {
    return this.agents.list(query);
  }

  @Get(":id")
  @Requires("agent:read")
  @SerializeOptions({ schema: AgentView })
  get(@Param("id", { schema: z.uuid() }) id: string) {
    return this.agents.get(id);
  }

  @Delete(":id")
  @HttpCode(204)
  @Requires("agent:write")
  remove(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.agents.remove(principal, id);
  }
}
