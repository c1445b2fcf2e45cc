import { Module, type OnModuleInit } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { Jobs } from "../platform/jobs.js";
import { PlatformModule } from "../platform/platform.module.js";
import { RecordedOperations } from "./recorded-operations.js";
import { RecordedOperationsRepository } from "./recorded-operations.repository.js";
import { RecordingBatches } from "./recording-batches.js";
import { RecordingChains } from "./recording-chains.js";
import { RecordingEventsRepository } from "./recording-events.repository.js";
import { RecordingReader } from "./recording-reader.js";
import { RecordingRecovery } from "./recording-recovery.js";
import { RecordingWriter } from "./recording-writer.js";
import { RecordingsController } from "./recordings.controller.js";
import { RecordingsRepository } from "./recordings.repository.js";
import { RecordingsService } from "./recordings.service.js";

const RECOVER_EVERY_MS = 30_000;

@Module({
  imports: [PlatformModule, AuditModule],
  controllers: [RecordingsController],
  providers: [
    RecordedOperations,
    RecordedOperationsRepository,
    RecordingBatches,
    RecordingChains,
    RecordingEventsRepository,
    RecordingReader,
    RecordingRecovery,
    RecordingsRepository,
    RecordingsService,
    RecordingWriter,
  ],
  exports: [RecordedOperations, RecordingReader, RecordingRecovery, RecordingWriter],
})
export class RecordingsModule implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly recovery: RecordingRecovery,
  ) {}

  onModuleInit(): void {
    this.jobs.repeat("recording-recovery", RECOVER_EVERY_MS, () => this.recovery.sweep());
  }
}
