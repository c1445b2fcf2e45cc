export { GatewayEndpoint } from "./gateway-endpoint.js";
export { GatewayModule } from "./gateway.module.js";
