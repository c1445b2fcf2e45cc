import type { LoggerService } from "@nestjs/common";
import { type Logger as Pino, pino } from "pino";
import type { Config } from "../config.js";

/** Structured logs on standard error. Messages are constant text; values go into fields. */
export function createLogger(level: Config["logLevel"]): Pino {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ["token", "authorization", "headers.authorization", "password", "key"],
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

// What the framework says of its own start: one line a module and a route.
const FRAMEWORK_CHATTER = new Set([
  "InstanceLoader",
  "RoutesResolver",
  "RouterExplorer",
  "NestFactory",
  "NestApplication",
]);

/** Lets Nest and its `Logger` write through pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly pino: Pino) {}

  log(message: unknown, ...rest: unknown[]): void {
    const level = FRAMEWORK_CHATTER.has(String(rest.at(-1))) ? "debug" : "info";
    this.pino[level](fields(rest), String(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.pino.warn(fields(rest), String(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.pino.error(fields(rest), String(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.pino.debug(fields(rest), String(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.pino.trace(fields(rest), String(message));
  }
}

/** Nest passes the context last; what stands before it is a detail or a stack. */
function fields(rest: unknown[]): Record<string, unknown> {
  const context = rest.at(-1);
  const details = rest.slice(0, -1).filter((detail) => detail !== undefined);
  return { ...(typeof context === "string" ? { context } : {}), ...(details.length > 0 ? { details } : {}) };
}
