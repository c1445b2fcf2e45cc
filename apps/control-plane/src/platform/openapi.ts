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

interface Route {
  readonly handler: object;
  readonly controller: object;
}

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
  const routes = routesOf(app);
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as (Operation & { operationId?: string })[]) {
      const route = routes.get(operation.operationId ?? "");
      if (route) complete(operation, route);
    }
  }
  return document;
}

function complete(operation: Operation, route: Route): void {
  const isPublic = metadataOf(REQUIRES, route) === PUBLIC;
  if (!isPublic) operation.security = [{ bearer: [] }];
  const { schema } = (metadataOf(SERIALIZE_OPTIONS, route) ?? {}) as { schema?: z.ZodType };
  for (const [status, response] of Object.entries(operation.responses)) {
    if (schema && status.startsWith("2"))
      response.content = { "application/json": { schema: toSchema(schema) } };
  }
  operation.responses["default"] = {
    description: "It failed; `code` says why",
    content: { "application/problem+json": { schema: { $ref: PROBLEM } } },
  };
}

/** As the framework reads it: what a route does not say itself, its controller says for all of them. */
function metadataOf(key: string, { handler, controller }: Route): unknown {
  return Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, controller);
}

const nameOf = (controller: string, method: string) => `${controller}_${method}`;

function routesOf(app: NestExpressApplication): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const module of app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== "function") continue;
      const prototype = metatype.prototype as Record<string, object>;
      for (const method of Object.getOwnPropertyNames(prototype)) {
        const handler = prototype[method];
        if (handler) routes.set(nameOf(metatype.name, method), { handler, controller: metatype });
      }
    }
  }
  return routes;
}

/** As a client sees it: what comes out, not what may go in. */
function toSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, { target: "openapi-3.0", io: "output", unrepresentable: "any" });
}
