import { loadParsers } from "@drawbridge/commands";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Target } from "../targets/index.js";
import { operationFrom } from "./operation-from.js";

beforeAll(() => loadParsers());

type Command = Target["document"]["spec"]["commands"][number];

function targetWith(...commands: readonly Command[]): Pick<Target, "name" | "labels" | "document"> {
  return { name: "shop", labels: {}, document: { spec: { commands } } as unknown as Target["document"] };
}

const SQL: Command = { tool: "query", argument: "sql", dialect: "postgresql" };
const SETUP: Command = { tool: "query", argument: "setup", dialect: "postgresql" };
const SHELL: Command = { tool: "query", argument: "hook", dialect: "sh" };

const call = (commands: readonly Command[], given: unknown, name = "query") =>
  operationFrom({ target: targetWith(...commands), method: "tools/call", name, arguments: () => given });

describe("an operation", () => {
  test("has facts of the arguments that its target calls commands, and of no others", () => {
    const operation = call([SQL, SHELL], { sql: "select 1", hook: "ls", other: "drop table x" });
    expect(operation.sql?.()).toMatchObject({ parsed: true, readOnly: true, dialect: "postgresql" });
    expect(operation.shell?.()).toMatchObject({ parsed: true, programs: ["ls"] });
    expect(call([SHELL], { hook: "ls" })).not.toHaveProperty("sql");
    expect(call([SQL], { sql: "select 1" }, "Query")).not.toHaveProperty("sql");
    expect(
      operationFrom({ target: targetWith(SQL), method: "prompts/get", name: "query" }),
    ).not.toHaveProperty("sql");
  });

  test("has the facts of several commands together", () => {
    const facts = (sql: unknown, setup: unknown) => call([SQL, SETUP], { sql, setup }).sql?.();
    expect(facts("select 1", "select 2")).toMatchObject({ parsed: true, readOnly: true });
    expect(facts("select 1", ["select 2", "drop table x"])).toMatchObject({ readOnly: false, ddl: true });
  });

  test.each([
    ["it is missing", {}],
    ["it is no text", { sql: { text: "select 1" } }],
    ["it is inherited", Object.create({ sql: "select 1" }) as object],
    ["it is there in another case too", { sql: "select 1", Sql: "drop table x" }],
    ["a look-alike of it in another case is there", { sql: "select 1", ſql: "drop table x" }],
    ["there are no arguments", undefined],
    ["the arguments are a list", ["select 1"]],
  ])("does not understand a command when %s", (_why, given) => {
    expect(call([SQL], given).sql?.()).toMatchObject({ parsed: false, readOnly: false, writes: true });
  });

  test("does not understand it when one of several is missing, or they are of two dialects", () => {
    expect(call([SQL, SETUP], { sql: "select 1" }).sql?.()?.parsed).toBe(false);
    const both = [SQL, { ...SETUP, dialect: "mysql" }] as const;
    expect(call(both, { sql: "select 1", setup: "select 1" }).sql?.()?.parsed).toBe(false);
  });

  test("asks for its arguments and parses only when somebody wants to know, and once", () => {
    let asked = 0;
    const operation = operationFrom({
      target: targetWith(SQL),
      method: "tools/call",
      name: "query",
      arguments: () => {
        asked += 1;
        return { sql: "select 1" };
      },
    });
    expect(asked).toBe(0);
    expect(operation.sql?.()).toBe(operation.sql?.());
    expect(asked).toBe(1);
  });

  test("never throws, whatever the arguments are", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (given) => {
        const { sql, shell } = call([SQL, SHELL], given);
        expect(typeof sql?.()?.parsed).toBe("boolean");
        expect(typeof shell?.()?.parsed).toBe("boolean");
      }),
    );
    const failing = operationFrom({
      target: targetWith(SQL),
      method: "tools/call",
      name: "query",
      arguments: () => {
        throw new Error("no JSON");
      },
    });
    expect(failing.sql?.()?.parsed).toBe(false);
  });
});
