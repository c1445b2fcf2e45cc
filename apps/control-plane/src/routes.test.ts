import "reflect-metadata";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AppModule } from "./app.module.js";
import { Settings } from "./config.js";
import { PERMISSIONS } from "./identity/permissions.js";
import { REQUIRES } from "./platform/public-route.js";

type Class = (new (...args: never[]) => unknown) & { name: string };

// Nest's own metadata; if it changes its names these tests find no routes and fail.
const PATH = "path";
const ROUTE_ARGUMENTS = "__routeArguments__";
const CHECKED = new Map([
  ["3", "body"],
  ["4", "query"],
  ["5", "path parameter"],
  ["6", "header"],
]);

interface Route {
  name: string;
  requires: unknown;
  /** Parameters that come from the request unchecked. */
  unchecked: string[];
}

function controllersOf(module: Class, seen = new Set<Class>()): Class[] {
  if (seen.has(module)) return [];
  seen.add(module);
  const imports = (Reflect.getMetadata("imports", module) ?? []) as Class[];
  const own = (Reflect.getMetadata("controllers", module) ?? []) as Class[];
  return [...own, ...imports.flatMap((imported) => controllersOf(imported, seen))];
}

function routesOf(controller: Class): Route[] {
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype)
    .map((name) => ({ name, handler: prototype[name] }))
    .filter(
      ({ name, handler }) =>
        name !== "constructor" && typeof handler === "function" && Reflect.hasMetadata(PATH, handler),
    )
    .map(({ name, handler }) => ({
      name: `${controller.name}.${name}`,
      requires: (Reflect.getMetadata(REQUIRES, handler as object) ??
        Reflect.getMetadata(REQUIRES, controller)) as unknown,
      unchecked: uncheckedParameters(controller, name),
    }));
}

function uncheckedParameters(controller: Class, method: string): string[] {
  const parameters = (Reflect.getMetadata(ROUTE_ARGUMENTS, controller, method) ?? {}) as Record<
    string,
    { schema?: unknown }
  >;
  return Object.entries(parameters)
    .filter(([key, { schema }]) => CHECKED.has(key.split(":")[0] ?? "") && schema === undefined)
    .map(([key]) => CHECKED.get(key.split(":")[0] ?? "") ?? key);
}

describe("every route of the REST API", () => {
  const routes = controllersOf(AppModule as Class).flatMap(routesOf);

  test("is found by these tests", () => {
    expect(routes.length).toBeGreaterThan(20);
    expect(routes.map(({ name }) => name)).toContain("TargetsController.apply");
  });

  test("names the permission it requires, or says that it is public", () => {
    const open = routes.filter(({ requires }) => requires !== "public" && !(String(requires) in PERMISSIONS));
    expect(open.map(({ name }) => name)).toEqual([]);
  });

  test("is public only where a client has to read it before anybody is signed in, or another proof is asked for", () => {
    const open = routes.filter(({ requires }) => requires === "public").map(({ name }) => name);
    expect(open.toSorted()).toEqual([
      "HealthController.health",
      "IdentityController.info",
      "ProtectedResourceController.mcp",
      "ProtectedResourceController.root",
      "ProtectedResourceController.target",
      // Slack has no token of ours: it signs what it sends.
      "SlackInteractionsController.interact",
    ]);
  });

  test("gives every parameter from outside a schema", () => {
    const unchecked = routes.filter((route) => route.unchecked.length > 0);
    expect(unchecked.map(({ name, unchecked: what }) => `${name}: ${what.join(", ")}`)).toEqual([]);
  });
});

test("docs/operating.md explains every setting there is", () => {
  const guide = readFileSync(new URL("../../../docs/operating.md", import.meta.url), "utf8");
  const missing = Object.keys(Settings.shape).filter((name) => !guide.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
