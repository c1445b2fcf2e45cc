import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { RecordingBatches } from "./recording-batches.js";
import { RecordingChains } from "./recording-chains.js";
import { RecordingEventsRepository } from "./recording-events.repository.js";
import { RecordingRecovery } from "./recording-recovery.js";
import { RecordingWriter } from "./recording-writer.js";
import { RecordingsRepository } from "./recordings.repository.js";

@Module({
  imports: [PlatformModule],
  providers: [
    RecordingBatches,
    RecordingChains,
    RecordingEventsRepository,
    RecordingRecovery,
    RecordingsRepository,
    RecordingWriter,
  ],
  exports: [RecordingWriter, RecordingRecovery],
})
export class RecordingsModule {}
