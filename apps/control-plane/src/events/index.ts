export { EventFeed, type EventListener } from "./event-feed.js";
export { EventHistory, EVENTS_KEPT_MS } from "./event-history.js";
export { EventLog, EVENTS_TOPIC } from "./event-log.js";
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
export type { NewEvent } from "./new-event.js";
