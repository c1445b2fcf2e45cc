export { EventFeed, type EventListener } from "./event-feed.js";
export { EventHistory, EVENTS_KEPT_MS } from "./event-history.js";
export { type Audience, EventLog, EVENTS_TOPIC, type NewEvent } from "./event-log.js";
export {
  BEGINNING,
  eventCursor,
  type EventCursor,
  type EventPosition,
  isAfter,
  readEventCursor,
} from "./event-position.js";
export { EventsModule } from "./events.module.js";
export type { LiveEvent } from "./live-events.repository.js";
