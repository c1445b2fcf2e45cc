import { Body, Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import {
  AccessRequestPage,
  AccessRequestQuery,
  AccessRequestView,
  CreateAccessRequest,
  ReviewAccessRequest,
} from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Idempotent } from "../platform/idempotency.js";
import { AccessRequests } from "./access-requests.js";
import { AccessReview } from "./access-review.js";
import { RequestReader } from "./request-reader.js";

@Controller("api/v1/access-requests")
@SerializeOptions({ schema: AccessRequestView })
export class AccessRequestsController {
  constructor(
    private readonly requests: AccessRequests,
    private readonly reader: RequestReader,
    private readonly reviews: AccessReview,
  ) {}

  @Post()
  @Requires("access:request")
  @Idempotent()
  create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: CreateAccessRequest }) body: CreateAccessRequest,
  ) {
    return this.requests.create(principal, body);
  }

  @Get()
  @Requires("access:request")
  @SerializeOptions({ schema: AccessRequestPage })
  list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: AccessRequestQuery }) query: AccessRequestQuery,
  ) {
    return this.reader.list(principal, query);
  }

  @Get(":id")
  @Requires("access:request")
  async get(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.reader.view(await this.reader.visible(principal, id));
  }

  @Post(":id/review")
  @HttpCode(200)
  @Requires("access:review")
  review(
    @CurrentPrincipal() principal: Principal,
    @Param("id", { schema: z.uuid() }) id: string,
    @Body({ schema: ReviewAccessRequest }) body: ReviewAccessRequest,
  ) {
    return this.reviews.review(principal, id, body);
  }

  @Post(":id/withdraw")
  @HttpCode(200)
  @Requires("access:request")
  withdraw(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.reviews.withdraw(principal, id);
  }
}
