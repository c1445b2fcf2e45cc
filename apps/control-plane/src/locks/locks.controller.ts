import { Body, Controller, Get, HttpCode, Param, Post, Query, SerializeOptions } from "@nestjs/common";
import { CreateLock, LockPage, LockQuery, LockView } from "@drawbridge/contracts";
import { z } from "zod";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Idempotent } from "../platform/idempotency.js";
import { LocksService } from "./locks.service.js";

@Controller("api/v1/locks")
export class LocksController {
  constructor(private readonly locks: LocksService) {}

  @Get()
  @Requires("lock:read")
  @SerializeOptions({ schema: LockPage })
  list(@Query({ schema: LockQuery }) query: LockQuery) {
    return this.locks.list(query);
  }

  @Get(":id")
  @Requires("lock:read")
  @SerializeOptions({ schema: LockView })
  get(@Param("id", { schema: z.uuid() }) id: string) {
    return this.locks.get(id);
  }

  @Post()
  @Requires("lock:write")
  @Idempotent()
  @SerializeOptions({ schema: LockView })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateLock }) body: CreateLock) {
    return this.locks.create(principal, body);
  }

  @Post(":id/release")
  @HttpCode(200)
  @Requires("lock:write")
  @SerializeOptions({ schema: LockView })
  release(@CurrentPrincipal() principal: Principal, @Param("id", { schema: z.uuid() }) id: string) {
    return this.locks.release(principal, id);
  }
}
