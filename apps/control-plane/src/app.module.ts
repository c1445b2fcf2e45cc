import { Module } from "@nestjs/common";
import { IdentityModule } from "./identity/index.js";
import { PlatformModule } from "./platform/platform.module.js";

@Module({ imports: [PlatformModule, IdentityModule] })
export class AppModule {}
