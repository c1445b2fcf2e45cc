import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { EventLog } from "./event-log.js";
import { LiveEventsRepository } from "./live-events.repository.js";

@Module({
  imports: [PlatformModule],
  providers: [EventLog, LiveEventsRepository],
  exports: [EventLog],
})
export class EventsModule {}
