import type { ServerResponse } from "node:http";
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from "@nestjs/common";
import type { Problem } from "@drawbridge/contracts";
import { isDatabaseUnavailable } from "./database.js";
import { DomainError } from "./errors.js";
import { problemOf } from "./problem.js";

/** The one place where an error of the REST API becomes a status and an RFC 9457 body. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger("api");

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<ServerResponse>();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const problem = this.toProblem(error);
    if (problem.status === 401) response.setHeader("WWW-Authenticate", "Bearer");
    response
      .writeHead(problem.status, { "Content-Type": "application/problem+json" })
      .end(JSON.stringify(problem));
  }

  private toProblem(error: unknown): Problem {
    if (error instanceof DomainError) return problemOf(error.code, error.message, error.problems);
    if (error instanceof HttpException) return fromHttp(error);
    if (isBodyTooLarge(error)) return problemOf("payload_too_large", "the body is larger than 1 MiB");
    if (isBadBody(error)) return problemOf("invalid_request", "the body is not valid JSON");
    if (isDatabaseUnavailable(error)) {
      this.logger.error("the database does not answer", error instanceof Error ? error.message : undefined);
      return problemOf("database_unavailable", "the database does not answer; try again in a moment");
    }
    this.logger.error("a request failed unexpectedly", error instanceof Error ? error.stack : undefined);
    return problemOf("internal_error", "something went wrong here; the operator finds it in the log");
  }
}

function fromHttp(error: HttpException): Problem {
  const status = error.getStatus();
  if (status === 404) return problemOf("not_found", "there is nothing at this address");
  if (status === 413) return problemOf("payload_too_large", "the body is larger than 1 MiB");
  return { ...problemOf("invalid_request", error.message), status };
}

const typeOf = (error: unknown) => (error as { type?: unknown } | null)?.type;
const isBodyTooLarge = (error: unknown) => typeOf(error) === "entity.too.large";
const isBadBody = (error: unknown) =>
  typeof typeOf(error) === "string" && String(typeOf(error)).startsWith("entity.");
