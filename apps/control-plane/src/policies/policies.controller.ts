import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  SerializeOptions,
} from "@nestjs/common";
import {
  ApplyPolicy,
  PageQuery,
  PolicyApplied,
  PolicyPage,
  PolicyPlan,
  PolicyVersionNumber,
  PolicyView,
  ResourceName,
} from "@drawbridge/contracts";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { PoliciesService } from "./policies.service.js";
import { PolicyPlans } from "./policy-plans.js";

@Controller("api/v1/policies")
export class PoliciesController {
  constructor(
    private readonly policies: PoliciesService,
    private readonly plans: PolicyPlans,
  ) {}

  @Get()
  @Requires("policy:read")
  @SerializeOptions({ schema: PolicyPage })
  list(@Query({ schema: PageQuery }) query: PageQuery) {
    return this.policies.list(query);
  }

  @Get(":name")
  @Requires("policy:read")
  @SerializeOptions({ schema: PolicyView })
  get(@Param("name", { schema: ResourceName }) name: string) {
    return this.policies.get(name);
  }

  @Get(":name/versions")
  @Requires("policy:read")
  @SerializeOptions({ schema: PolicyPage })
  history(
    @Param("name", { schema: ResourceName }) name: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ) {
    return this.policies.history(name, query);
  }

  @Get(":name/versions/:version")
  @Requires("policy:read")
  @SerializeOptions({ schema: PolicyView })
  version(
    @Param("name", { schema: ResourceName }) name: string,
    @Param("version", { schema: PolicyVersionNumber }) version: number,
  ) {
    return this.policies.version(name, version);
  }

  /** What applying the document would change, and for whom. */
  @Post(":name/plan")
  @HttpCode(200)
  @Requires("policy:read")
  @SerializeOptions({ schema: PolicyPlan })
  plan(
    @Param("name", { schema: ResourceName }) name: string,
    @Body({ schema: ApplyPolicy }) { source }: ApplyPolicy,
  ) {
    return this.plans.plan(name, source);
  }

  @Put(":name")
  @Requires("policy:write")
  @SerializeOptions({ schema: PolicyApplied })
  apply(
    @CurrentPrincipal() principal: Principal,
    @Param("name", { schema: ResourceName }) name: string,
    @Body({ schema: ApplyPolicy }) { source }: ApplyPolicy,
  ) {
    return this.policies.apply(principal, name, source);
  }

  @Delete(":name")
  @HttpCode(204)
  @Requires("policy:write")
  delete(@CurrentPrincipal() principal: Principal, @Param("name", { schema: ResourceName }) name: string) {
    return this.policies.delete(principal, name);
  }
}
