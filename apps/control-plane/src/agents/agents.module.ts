import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { EventsModule } from "../events/index.js";
import { LocksModule } from "../locks/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { AgentAdmission } from "./agent-admission.js";
import { AgentConnections } from "./agent-connections.js";
import { AgentEviction } from "./agent-eviction.js";
import { AgentGrpcServer } from "./agent-grpc-server.js";
import { AgentHandlers } from "./agent-handlers.js";
import { AgentLinks } from "./agent-links.js";
import { AgentNews } from "./agent-news.js";
import { AgentQuarantine } from "./agent-quarantine.js";
import { AgentServiceHandler } from "./agent-service.handler.js";
import { AgentWatch } from "./agent-watch.js";
import { AgentsController } from "./agents.controller.js";
import { AgentsLifecycle } from "./agents.lifecycle.js";
import { AgentsService } from "./agents.service.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { CertificateRenewal } from "./certificate-renewal.js";
import { EnrolmentHandler } from "./enrolment.handler.js";
import { EnrolmentService } from "./enrolment.service.js";
import { JoinTokensController } from "./join-tokens.controller.js";
import { JoinTokensService } from "./join-tokens.service.js";
import { DEFAULT_TIMINGS, LINK_TIMINGS } from "./link-timings.js";
import { LockedAgents } from "./locked-agents.js";
import { RenewalHandler } from "./renewal.handler.js";

@Module({
  imports: [PlatformModule, AuditModule, EventsModule, LocksModule],
  controllers: [AgentsController, JoinTokensController],
  providers: [
    // Tests shorten them.
    { provide: LINK_TIMINGS, useValue: DEFAULT_TIMINGS },
    AgentAdmission,
    AgentConnections,
    AgentEviction,
    AgentGrpcServer,
    AgentHandlers,
    AgentLinks,
    AgentNews,
    AgentQuarantine,
    AgentServiceHandler,
    AgentsLifecycle,
    AgentsService,
    AgentWatch,
    CertificateAuthority,
    CertificateRenewal,
    EnrolmentHandler,
    EnrolmentService,
    JoinTokensService,
    LockedAgents,
    RenewalHandler,
  ],
  exports: [AgentLinks],
})
export class AgentsModule {}
