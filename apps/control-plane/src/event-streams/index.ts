export { EventStreamsEndpoint } from "./event-streams.endpoint.js";
export { EventStreamsModule } from "./event-streams.module.js";
