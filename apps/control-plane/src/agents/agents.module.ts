import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { AgentLinks } from "./agent-links.js";

@Module({ imports: [PlatformModule], providers: [AgentLinks], exports: [AgentLinks] })
export class AgentsModule {}
