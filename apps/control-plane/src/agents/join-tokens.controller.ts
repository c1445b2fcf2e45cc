import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  SerializeOptions,
} from "@nestjs/common";
import { CreateJoinToken, JoinTokenCreated, JoinTokenPage, PageQuery } from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Idempotent } from "../platform/idempotency.js";
import { JoinTokensService } from "./join-tokens.service.js";

@Controller("api/v1/join-tokens")
export class JoinTokensController {
  constructor(private readonly joinTokens: JoinTokensService) {}

  @Post()
  @Requires("agent:write")
  @Idempotent()
  @SerializeOptions({ schema: JoinTokenCreated })
  create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateJoinToken }) request: CreateJoinToken,
  ) {
    return this.joinTokens.create(principal, request);
  }

  @Get()
  @Requires("agent:read")
  @SerializeOptions({ schema: JoinTokenPage })
  list(@Query({ schema: PageQuery }) query: PageQuery) {
    return this.joinTokens.list(query);
  }

  @Delete(":id")
  @HttpCode(204)
  @Requires("agent:write")
  revoke(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.joinTokens.revoke(principal, id);
  }
}
