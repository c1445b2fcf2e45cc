import { Controller, Get, Header, SetMetadata } from "@nestjs/common";
import { Database } from "./database.js";
import { DomainError } from "./errors.js";

/** Ready means that a call could be recorded now. */
@Controller("healthz")
export class HealthController {
  constructor(private readonly database: Database) {}

  @Get()
  @SetMetadata("drawbridge:requires", "public")
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
