import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { LivePolicies } from "./live-policies.js";
import { PoliciesController } from "./policies.controller.js";
import { PoliciesRepository } from "./policies.repository.js";
import { PoliciesService } from "./policies.service.js";
import { SeenPrincipals } from "./seen-principals.js";
import { SeenPrincipalsRepository } from "./seen-principals.repository.js";

@Module({
  imports: [PlatformModule, AuditModule],
  controllers: [PoliciesController],
  providers: [LivePolicies, PoliciesRepository, PoliciesService, SeenPrincipals, SeenPrincipalsRepository],
  exports: [LivePolicies, SeenPrincipals],
})
export class PoliciesModule {}
