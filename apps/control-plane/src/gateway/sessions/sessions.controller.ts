import { Controller, Delete, Get, HttpCode, Param, Query, SerializeOptions } from "@nestjs/common";
import { PageQuery, SessionPage, SessionView, VisibleTargets } from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../../identity/index.js";
import { SessionEnding } from "./session-ending.js";
import { SessionsQueries } from "./sessions-queries.js";

@Controller("api/v1")
export class SessionsController {
  constructor(
    private readonly queries: SessionsQueries,
    private readonly ending: SessionEnding,
  ) {}

  @Get("visible-targets")
  @Requires("target:use")
  @SerializeOptions({ schema: VisibleTargets })
  visibleTargets(@CurrentPrincipal() principal: Principal) {
    return this.queries.visibleTargets(principal);
  }

  @Get("sessions")
  @Requires("session:read")
  @SerializeOptions({ schema: SessionPage })
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: PageQuery }) query: PageQuery) {
    return this.queries.list(principal, query);
  }

  @Get("sessions/:id")
  @Requires("session:read")
  @SerializeOptions({ schema: SessionView })
  get(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.queries.get(principal, id);
  }

  @Delete("sessions/:id")
  @HttpCode(204)
  @Requires("session:end")
  end(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.ending.end(principal, id);
  }
}
