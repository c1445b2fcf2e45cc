import { Module } from "@nestjs/common";
import { CONFIG, configFromEnvironment } from "../config.js";
import { Clock } from "./clock.js";
import { Database } from "./database.js";
import { EpochWatch } from "./epoch-watch.js";
import { HealthController } from "./health.controller.js";
import { IdempotencyKeys } from "./idempotency-keys.js";
import { IdempotencyRepository } from "./idempotency.repository.js";
import { Jobs, Messages } from "./jobs.js";
import { KeyEncryption } from "./key-encryption.js";

/** What every feature may use and what knows none of them. */
@Module({
  controllers: [HealthController],
  providers: [
    // Tests put another one here.
    { provide: CONFIG, useFactory: configFromEnvironment },
    Clock,
    Database,
    EpochWatch,
    IdempotencyKeys,
    IdempotencyRepository,
    Jobs,
    KeyEncryption,
    Messages,
  ],
  exports: [CONFIG, Clock, Database, EpochWatch, IdempotencyKeys, Jobs, KeyEncryption, Messages],
})
export class PlatformModule {}
