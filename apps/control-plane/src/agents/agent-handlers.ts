import { Injectable } from "@nestjs/common";
import { AgentServiceHandler } from "./agent-service.handler.js";
import { EnrolmentHandler } from "./enrolment.handler.js";
import { RenewalHandler } from "./renewal.handler.js";

/** The services of the protocol. */
@Injectable()
export class AgentHandlers {
  constructor(
    readonly enrolment: EnrolmentHandler,
    readonly agentService: AgentServiceHandler,
    readonly renewal: RenewalHandler,
  ) {}
}
