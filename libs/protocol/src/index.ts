export * from "./generated/drawbridge/agent/v1/agent.js";
