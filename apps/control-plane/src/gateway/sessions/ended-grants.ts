import { Injectable, type OnModuleInit } from "@nestjs/common";
import { GrantEnds } from "../../access/index.js";
import { LiveChanges } from "./live-changes.js";

/** A grant that ends by its time changes nothing that anybody would notice: who keeps the time says so. */
@Injectable()
export class EndedGrants implements OnModuleInit {
  constructor(
    private readonly ends: GrantEnds,
    private readonly changes: LiveChanges,
  ) {}

  onModuleInit(): void {
    this.ends.onEnd(() => this.changes.lookAgain());
  }
}
