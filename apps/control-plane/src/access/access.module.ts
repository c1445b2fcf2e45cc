import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { EventsModule } from "../events/index.js";
import { LocksModule } from "../locks/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { ReviewsModule } from "../reviews/index.js";
import { TargetsModule } from "../targets/index.js";
import { AccessActs } from "./access-acts.js";
import { AccessFiling } from "./access-filing.js";
import { AccessRequestsController } from "./access-requests.controller.js";
import { AccessRequests } from "./access-requests.js";
import { AccessRequestsRepository } from "./access-requests.repository.js";
import { AccessReview } from "./access-review.js";
import { AccessSweep } from "./access-sweep.js";
import { GrantActs } from "./grant-acts.js";
import { GrantEnds } from "./grant-ends.js";
import { GrantExtensions } from "./grant-extensions.js";
import { GrantGiving } from "./grant-giving.js";
import { GrantReader } from "./grant-reader.js";
import { GrantSweep } from "./grant-sweep.js";
import { GrantsController } from "./grants.controller.js";
import { GrantsRepository } from "./grants.repository.js";
import { LiveGrants } from "./live-grants.js";
import { RequestableAccess } from "./requestable-access.js";
import { RequestExpiry } from "./request-expiry.js";
import { RequestReader } from "./request-reader.js";
import { RequestTransitions } from "./request-transitions.js";
import { RequestWatch } from "./request-watch.js";
import { SelfActivation } from "./self-activation.js";

@Module({
  imports: [
    PlatformModule,
    AuditModule,
    EventsModule,
    LocksModule,
    PoliciesModule,
    ReviewsModule,
    TargetsModule,
  ],
  controllers: [AccessRequestsController, GrantsController],
  providers: [
    AccessActs,
    AccessFiling,
    AccessRequests,
    AccessRequestsRepository,
    AccessReview,
    AccessSweep,
    GrantActs,
    GrantEnds,
    GrantExtensions,
    GrantGiving,
    GrantReader,
    GrantSweep,
    GrantsRepository,
    LiveGrants,
    RequestableAccess,
    RequestExpiry,
    RequestReader,
    RequestTransitions,
    RequestWatch,
    SelfActivation,
  ],
  exports: [AccessRequests, GrantEnds, LiveGrants, SelfActivation],
})
export class AccessModule {}
