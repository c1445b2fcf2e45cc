export { GatewayEndpoint } from "./edge/gateway-endpoint.js";
export { GatewayModule } from "./gateway.module.js";
