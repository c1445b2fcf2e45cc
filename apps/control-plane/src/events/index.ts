export { type Audience, EventLog, EVENTS_TOPIC, type NewEvent } from "./event-log.js";
export { EventsModule } from "./events.module.js";
