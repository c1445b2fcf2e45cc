import type { LoggerService } from "@nestjs/common";
import { type DestinationStream, type Logger as Pino, pino } from "pino";
import type { Config } from "../config.js";

/** Structured logs on standard error. Messages are constant text; values go into fields. */
export function createLogger(level: Config["logLevel"], to: DestinationStream = standardError()): Pino {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ["token", "authorization", "headers.authorization", "password", "key"],
    },
    to,
  );
}

const standardError = () => pino.destination({ dest: 2, sync: true });

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

/**
 * Nest passes the context last; what stands before it is an object of fields, a text or a stack. Fields come out at the
 * top, where redaction finds them.
 */
function fields(rest: unknown[]): Record<string, unknown> {
  const context = rest.at(-1);
  const given = rest.slice(0, -1).filter((detail) => detail !== undefined);
  const details = given.filter((detail) => typeof detail !== "object");
  return {
    ...(typeof context === "string" ? { context } : {}),
    ...Object.assign({}, ...given.filter((detail) => typeof detail === "object")),
    ...(details.length > 0 ? { details } : {}),
  };
}
