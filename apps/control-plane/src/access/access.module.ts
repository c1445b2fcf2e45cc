import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { AccessRequests } from "./access-requests.js";
import { GrantEnds } from "./grant-ends.js";
import { GrantsRepository } from "./grants.repository.js";
import { LiveGrants } from "./live-grants.js";
import { SelfActivation } from "./self-activation.js";

@Module({
  imports: [PlatformModule],
  providers: [AccessRequests, GrantEnds, GrantsRepository, LiveGrants, SelfActivation],
  exports: [AccessRequests, GrantEnds, LiveGrants, SelfActivation],
})
export class AccessModule {}
