import { Body, Controller, Delete, Get, HttpCode, Param, Put, Query, SerializeOptions } from "@nestjs/common";
import { PageQuery, ResourceName, TargetDocument, TargetPage, TargetView } from "@drawbridge/contracts";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { TargetsService } from "./targets.service.js";

@Controller("api/v1/targets")
export class TargetsController {
  constructor(private readonly targets: TargetsService) {}

  @Get()
  @Requires("target:read")
  @SerializeOptions({ schema: TargetPage })
  list(@Query({ schema: PageQuery }) query: PageQuery) {
    return this.targets.list(query);
  }

  @Get(":name")
  @Requires("target:read")
  @SerializeOptions({ schema: TargetView })
  get(@Param("name", { schema: ResourceName }) name: string) {
    return this.targets.get(name);
  }

  @Put(":name")
  @Requires("target:write")
  @SerializeOptions({ schema: TargetView })
  apply(
    @CurrentPrincipal() principal: Principal,
    @Param("name", { schema: ResourceName }) name: string,
    @Body({ schema: TargetDocument }) document: TargetDocument,
  ) {
    return this.targets.apply(principal, name, document);
  }

  @Delete(":name")
  @HttpCode(204)
  @Requires("target:write")
  delete(@CurrentPrincipal() principal: Principal, @Param("name", { schema: ResourceName }) name: string) {
    return this.targets.delete(principal, name);
  }
}
