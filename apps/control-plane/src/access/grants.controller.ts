import { Body, Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import {
  AccessRequestView,
  EndGrant,
  ExtendGrant,
  GrantPage,
  GrantQuery,
  GrantView,
  ReviewBreakGlass,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Idempotent } from "../platform/idempotency.js";
import { GrantActs } from "./grant-acts.js";
import { GrantExtensions } from "./grant-extensions.js";
import { GrantReader } from "./grant-reader.js";

/** Who may end or review which grant depends on the grant: the permissions here only open the doors. */
@Controller("api/v1/grants")
@SerializeOptions({ schema: GrantView })
export class GrantsController {
  constructor(
    private readonly reader: GrantReader,
    private readonly acts: GrantActs,
    private readonly extensions: GrantExtensions,
  ) {}

  @Get()
  @Requires("grant:read")
  @SerializeOptions({ schema: GrantPage })
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: GrantQuery }) query: GrantQuery) {
    return this.reader.list(principal, query);
  }

  @Get(":id")
  @Requires("grant:read")
  async get(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    const { grant } = await this.reader.visible(principal, id);
    return this.reader.view(grant);
  }

  @Post(":id/extend")
  @Requires("access:request")
  @Idempotent()
  @SerializeOptions({ schema: AccessRequestView })
  extend(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: z.uuid() }) id: string,
    @Body({ schema: ExtendGrant }) body: ExtendGrant,
  ) {
    return this.extensions.ask(principal, id, body);
  }

  @Post(":id/return")
  @HttpCode(200)
  @Requires("grant:return")
  return(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.acts.return(principal, id);
  }

  @Post(":id/revoke")
  @HttpCode(200)
  @Requires("access:review")
  revoke(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: z.uuid() }) id: string,
    @Body({ schema: EndGrant }) body: EndGrant,
  ) {
    return this.acts.revoke(principal, id, body);
  }

  @Post(":id/review")
  @HttpCode(200)
  @Requires("access:review")
  review(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: z.uuid() }) id: string,
    @Body({ schema: ReviewBreakGlass }) body: ReviewBreakGlass,
  ) {
    return this.acts.review(principal, id, body);
  }
}
