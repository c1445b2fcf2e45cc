import { StandardSchemaSerializerInterceptor, StandardSchemaValidationPipe } from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { SwaggerModule } from "@nestjs/swagger";
import { DomainError } from "./errors.js";
import { createOpenApi } from "./openapi.js";
import { ProblemFilter } from "./problem-filter.js";

/** What holds for every route of the REST API, in one place: bodies, validation, answers, errors, documentation. */
export function prepareApi(app: NestExpressApplication): void {
  app.disable("x-powered-by");
  app.set("etag", false);
  app.useBodyParser("json", { limit: "1mb" });
  app.use(
    (_request: unknown, response: { setHeader(name: string, value: string): void }, next: () => void) => {
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("X-Content-Type-Options", "nosniff");
      next();
    },
  );
  app.useGlobalPipes(
    new StandardSchemaValidationPipe({
      exceptionFactory: (issues) =>
        new DomainError(
          "invalid_request",
          "the request does not have the expected shape",
          issues.map(({ path, message }) => ({ path: pathText(path), message })),
        ),
    }),
  );
  app.useGlobalInterceptors(new StandardSchemaSerializerInterceptor(app.get(Reflector)));
  app.useGlobalFilters(new ProblemFilter());
  SwaggerModule.setup("api/docs", app, () => createOpenApi(app));
}

function pathText(path: readonly unknown[] | undefined): string {
  return (path ?? [])
    .map((segment) =>
      String(typeof segment === "object" && segment !== null && "key" in segment ? segment.key : segment),
    )
    .join(".");
}
