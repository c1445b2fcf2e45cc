import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { EventFeed } from "./event-feed.js";
import { EventHistory } from "./event-history.js";
import { EventLog } from "./event-log.js";
import { LiveEventsRepository } from "./live-events.repository.js";

@Module({
  imports: [PlatformModule],
  providers: [EventFeed, EventHistory, EventLog, LiveEventsRepository],
  exports: [EventFeed, EventHistory, EventLog],
})
export class EventsModule {}
