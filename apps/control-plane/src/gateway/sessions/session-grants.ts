import { Injectable, type OnModuleInit } from "@nestjs/common";
import { SelfActivation } from "../../access/index.js";
import { SessionsService } from "./sessions.service.js";

/** Ends what was granted for one session when that session ends. What is left of others a sweep of access finds. */
@Injectable()
export class SessionGrants implements OnModuleInit {
  constructor(
    private readonly activation: SelfActivation,
    private readonly sessions: SessionsService,
  ) {}

  onModuleInit(): void {
    this.sessions.onEnd((id) => this.activation.endOfSession(id));
  }
}
