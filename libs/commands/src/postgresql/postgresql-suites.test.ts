import { beforeAll, describe, expect, test } from "vitest";
import type { SqlFacts } from "../facts.js";
import { POSTGRESQL_BENIGN } from "../fixtures/postgresql-benign.js";
import { POSTGRESQL_DESTRUCTIVE } from "../fixtures/postgresql-destructive.js";
import { loadPostgresqlParser } from "./parser.js";
import { postgresqlFacts } from "./postgresql-facts.js";

beforeAll(loadPostgresqlParser);

function isAlarming(facts: SqlFacts): boolean {
  return facts.ddl || facts.deletesAll || facts.privileges || facts.runsCode || facts.reachesOut;
}

describe("destructive texts", () => {
  test.each(POSTGRESQL_DESTRUCTIVE)("$id is not read-only, and something says why: $text", ({ text }) => {
    const facts = postgresqlFacts([text]);
    expect(facts.readOnly).toBe(false);
    expect(!facts.parsed || isAlarming(facts)).toBe(true);
  });

  test("has each id once, and enough of them", () => {
    expect(new Set(POSTGRESQL_DESTRUCTIVE.map(({ id }) => id)).size).toBe(POSTGRESQL_DESTRUCTIVE.length);
    expect(POSTGRESQL_DESTRUCTIVE.length).toBeGreaterThanOrEqual(140);
  });
});

describe("texts that only look destructive", () => {
  test.each(POSTGRESQL_BENIGN)("$id reads, or writes with care: $text", ({ text }) => {
    const facts = postgresqlFacts([text]);
    expect(facts).toMatchObject({ parsed: true, reason: "" });
    expect(isAlarming(facts)).toBe(false);
    expect(facts.readOnly || (facts.writes && !facts.writesInQuery && !facts.changesSession)).toBe(true);
  });

  test("has each id once, and enough of them", () => {
    expect(new Set(POSTGRESQL_BENIGN.map(({ id }) => id)).size).toBe(POSTGRESQL_BENIGN.length);
    expect(POSTGRESQL_BENIGN.length).toBeGreaterThanOrEqual(140);
  });
});
