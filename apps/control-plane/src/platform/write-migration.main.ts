// `pnpm migration NAME`: writes the SQL that leads from the schema of the newest migration to prisma/schema.prisma.
// Each migration keeps the schema it leads to beside its SQL, so the next one is the difference of two files.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { prismaDirectory } from "./migrations.js";
import { connectSchemaEngine } from "./schema-engine.js";

const name = process.argv[2];
const databaseUrl = process.env["DATABASE_URL"];
if (!databaseUrl) {
  console.error("DATABASE_URL is not set: any Postgres that answers will do, nothing is changed in it");
  process.exit(2);
}
if (!name || !/^[a-z][a-z0-9_]*$/.test(name)) {
  console.error("usage: pnpm migration NAME   (NAME: lower case letters, digits and _)");
  process.exit(2);
}

const schemaFile = path.join(prismaDirectory(), "schema.prisma");
const migrations = path.join(prismaDirectory(), "migrations");
const entries = await readdir(migrations, { withFileTypes: true });
const newest = entries
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .toSorted()
  .at(-1);

const schemaOf = async (file: string) => ({
  tag: "schemaDatamodel" as const,
  files: [{ path: "schema.prisma", content: await readFile(file, "utf8") }],
});
// Comparing two schemas reads nothing from the database, but the engine insists on one that answers.
const engine = await connectSchemaEngine(databaseUrl);
const { stdout: sql } = await engine.diff({
  from: newest ? await schemaOf(path.join(migrations, newest, "schema.prisma")) : { tag: "empty" },
  to: await schemaOf(schemaFile),
  script: true,
  exitCode: null,
  filters: { externalTables: [], externalEnums: [] },
});
if (!sql || sql.includes("This is an empty migration")) {
  console.log("the schema has not changed since the newest migration");
  process.exit(0);
}

const stamp = new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14);
const directory = path.join(migrations, `${stamp}_${name}`);
await mkdir(directory);
await writeFile(path.join(directory, "migration.sql"), sql);
await copyFile(schemaFile, path.join(directory, "schema.prisma"));
console.log(`wrote ${path.relative(process.cwd(), directory)}; read it, and add the grants of new tables`);
