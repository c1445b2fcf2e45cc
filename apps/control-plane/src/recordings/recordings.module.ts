import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { RecordingRecovery } from "./recording-recovery.js";
import { RecordingWriter } from "./recording-writer.js";

@Module({
  imports: [PlatformModule],
  providers: [RecordingWriter, RecordingRecovery],
  exports: [RecordingWriter, RecordingRecovery],
})
export class RecordingsModule {}
