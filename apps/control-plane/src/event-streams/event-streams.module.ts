import { Module } from "@nestjs/common";
import { EventsModule } from "../events/index.js";
import { IdentityModule } from "../identity/index.js";
import { LocksModule } from "../locks/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { EventStreamAdmission } from "./event-stream-admission.js";
import { EventStreamsEndpoint } from "./event-streams.endpoint.js";
import { OpenEventStreams } from "./open-event-streams.js";

@Module({
  imports: [PlatformModule, IdentityModule, EventsModule, LocksModule],
  providers: [EventStreamAdmission, EventStreamsEndpoint, OpenEventStreams],
  exports: [EventStreamsEndpoint],
})
export class EventStreamsModule {}
