import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const prisma = path.resolve(import.meta.dirname, "../../prisma");
const migrations = path.join(prisma, "migrations");
const newest = readdirSync(migrations, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .toSorted()
  .at(-1);

test("the newest migration leads to the schema as it is", () => {
  const led = readFileSync(path.join(migrations, newest ?? "", "schema.prisma"), "utf8");
  expect(led, "run `pnpm migration NAME`").toBe(readFileSync(path.join(prisma, "schema.prisma"), "utf8"));
});

test("every append-only table is withheld from change by the migrations", () => {
  const sql = readdirSync(migrations, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readFileSync(path.join(migrations, entry.name, "migration.sql"), "utf8"))
    .join("\n");
  const schema = readFileSync(path.join(prisma, "schema.prisma"), "utf8");
  const tables = [...schema.matchAll(/\/\/ Append-only[^\n]*\nmodel [^}]*@@map\("(\w+)"\)/g)].map(
    ([, table]) => table,
  );
  expect(tables.length).toBeGreaterThanOrEqual(3);
  for (const table of tables) expect(sql).toContain(`BEFORE UPDATE OR DELETE OR TRUNCATE ON "${table}"`);
});
