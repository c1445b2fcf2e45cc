import type { NestExpressApplication } from "@nestjs/platform-express";
import { ModulesContainer } from "@nestjs/core";
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from "@nestjs/swagger";
import { Problem } from "@drawbridge/contracts";
import { z } from "zod";
import { PUBLIC, REQUIRES } from "./public-route.js";
import { VERSION } from "./version.js";

// Where `@SerializeOptions` keeps what it was given.
const SERIALIZE_OPTIONS = "class_serializer:options";
const PROBLEM = "#/components/schemas/Problem";

interface Operation {
  security?: Record<string, string[]>[];
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
}

/**
 * The OpenAPI document of the REST API. The framework finds routes, parameters and bodies; what a route answers, that it
 * needs a token, and how it fails are added from the same metadata that the routes run by.
 */
export function createOpenApi(app: NestExpressApplication): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle("Drawbridge")
    .setDescription("Privileged access management for MCP servers")
    .setVersion(VERSION)
    .addBearerAuth()
    .build();
  const document = SwaggerModule.createDocument(app, base, { operationIdFactory: nameOf });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: toSchema(Problem) },
  };
  const handlers = handlersOf(app);
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as (Operation & { operationId?: string })[]) {
      const handler = handlers.get(operation.operationId ?? "");
      if (handler) complete(operation, handler);
    }
  }
  return document;
}

function complete(operation: Operation, handler: object): void {
  const isPublic = Reflect.getMetadata(REQUIRES, handler) === PUBLIC;
  if (!isPublic) operation.security = [{ bearer: [] }];
  const { schema } = (Reflect.getMetadata(SERIALIZE_OPTIONS, handler) ?? {}) as { schema?: z.ZodType };
  for (const [status, response] of Object.entries(operation.responses)) {
    if (schema && status.startsWith("2"))
      response.content = { "application/json": { schema: toSchema(schema) } };
  }
  operation.responses["default"] = {
    description: "It failed; `code` says why",
    content: { "application/problem+json": { schema: { $ref: PROBLEM } } },
  };
}

const nameOf = (controller: string, method: string) => `${controller}_${method}`;

function handlersOf(app: NestExpressApplication): Map<string, object> {
  const handlers = new Map<string, object>();
  for (const module of app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== "function") continue;
      const prototype = metatype.prototype as Record<string, object>;
      for (const method of Object.getOwnPropertyNames(prototype)) {
        const handler = prototype[method];
        if (handler) handlers.set(nameOf(metatype.name, method), handler);
      }
    }
  }
  return handlers;
}

/** As a client sees it: what comes out, not what may go in. */
function toSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, { target: "openapi-3.0", io: "output", unrepresentable: "any" });
}
