import { Body, Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import {
  ApprovalDetail,
  ApprovalPage,
  ApprovalQuery,
  ApprovalView,
  ApproveOperation,
  DenyOperation,
  RevokeApproval,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { ApprovalQueries } from "./approval-queries.js";
import { Approving } from "./approving.js";
import { Denials } from "./denials.js";

const Id = z.uuid();

@Controller("api/v1/approvals")
export class ApprovalsController {
  constructor(
    private readonly queries: ApprovalQueries,
    private readonly approving: Approving,
    private readonly denials: Denials,
  ) {}

  @Get()
  @Requires("approval:read")
  @SerializeOptions({ schema: ApprovalPage })
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: ApprovalQuery }) query: ApprovalQuery) {
    return this.queries.list(principal, query);
  }

  /** With what would run, masked. */
  @Get(":id")
  @Requires("approval:read")
  @SerializeOptions({ schema: ApprovalDetail })
  get(@CurrentPrincipal() principal: Principal, @Param("id", { schema: Id }) id: string) {
    return this.queries.detail(principal, id);
  }

  @Post(":id/approve")
  @HttpCode(200)
  @Requires("approval:decide")
  @SerializeOptions({ schema: ApprovalView })
  async approve(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Body({ schema: ApproveOperation }) said: ApproveOperation,
  ) {
    await this.approving.approve(principal, id, said);
    return this.queries.view(principal, id);
  }

  @Post(":id/deny")
  @HttpCode(200)
  @Requires("approval:decide")
  @SerializeOptions({ schema: ApprovalView })
  async deny(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Body({ schema: DenyOperation }) { comment }: DenyOperation,
  ) {
    await this.denials.deny(principal, id, comment);
    return this.queries.view(principal, id);
  }

  /** For those who may approve it, too. */
  @Post(":id/revoke")
  @HttpCode(200)
  @Requires("approval:decide")
  @SerializeOptions({ schema: ApprovalView })
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: Id }) id: string,
    @Body({ schema: RevokeApproval }) { reason }: RevokeApproval,
  ) {
    await this.denials.revoke(principal, id, reason);
    return this.queries.view(principal, id);
  }
}
