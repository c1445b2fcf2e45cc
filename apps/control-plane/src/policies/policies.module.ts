import { Module, type OnModuleInit } from "@nestjs/common";
import { loadParsers } from "@drawbridge/commands";
import { AuditModule } from "../audit/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { RecordingsModule } from "../recordings/index.js";
import { TargetsModule } from "../targets/index.js";
import { ToolsModule } from "../tools/index.js";
import { Backtests } from "./backtests.js";
import { LivePolicies } from "./live-policies.js";
import { LiveSurroundings } from "./live-surroundings.js";
import { OpenSessionsRepository } from "./open-sessions.repository.js";
import { PoliciesController } from "./policies.controller.js";
import { PoliciesRepository } from "./policies.repository.js";
import { PoliciesService } from "./policies.service.js";
import { PolicyExplanations } from "./policy-explanations.js";
import { PolicyPlans } from "./policy-plans.js";
import { PolicyTrialsController } from "./policy-trials.controller.js";
import { SeenPrincipals } from "./seen-principals.js";
import { SeenPrincipalsRepository } from "./seen-principals.repository.js";

@Module({
  imports: [PlatformModule, AuditModule, RecordingsModule, TargetsModule, ToolsModule],
  controllers: [PoliciesController, PolicyTrialsController],
  providers: [
    Backtests,
    LivePolicies,
    LiveSurroundings,
    OpenSessionsRepository,
    PoliciesRepository,
    PoliciesService,
    PolicyExplanations,
    PolicyPlans,
    SeenPrincipals,
    SeenPrincipalsRepository,
  ],
  exports: [LivePolicies, SeenPrincipals],
})
export class PoliciesModule implements OnModuleInit {
  /** Operations are made of commands here: until the parsers are there, none of them is understood. */
  async onModuleInit(): Promise<void> {
    await loadParsers();
  }
}
