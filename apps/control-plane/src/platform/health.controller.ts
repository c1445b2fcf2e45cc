import { Controller, Get, Header } from "@nestjs/common";
import { Database } from "./database.js";
import { DomainError } from "./errors.js";
import { Public } from "./public-route.js";

/** Ready means that a call could be recorded now. */
@Controller("healthz")
export class HealthController {
  constructor(private readonly database: Database) {}

  @Get()
  @Public()
  @Header("Cache-Control", "no-store")
  async health() {
    try {
      await this.database.pool.query("select 1");
    } catch {
      throw new DomainError("database_unavailable", "the database does not answer");
    }
    return { status: "ok" };
  }
}
