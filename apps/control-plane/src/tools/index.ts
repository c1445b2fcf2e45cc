export type { Pin, Pins } from "./pin.js";
export { ToolPins } from "./tool-pins.js";
export { ToolsModule } from "./tools.module.js";
