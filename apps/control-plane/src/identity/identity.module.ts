import { Module } from "@nestjs/common";
import { APP_GUARD } from "@nestjs/core";
import { PlatformModule } from "../platform/platform.module.js";
import { ApiConditions } from "./api-conditions.js";
import { ApiGuard } from "./api.guard.js";
import { IdentityController, ProtectedResourceController } from "./metadata.controller.js";
import { TokenVerifier } from "./token-verifier.js";

@Module({
  imports: [PlatformModule],
  controllers: [ProtectedResourceController, IdentityController],
  providers: [ApiConditions, TokenVerifier, { provide: APP_GUARD, useClass: ApiGuard }],
  exports: [ApiConditions, TokenVerifier],
})
export class IdentityModule {}
