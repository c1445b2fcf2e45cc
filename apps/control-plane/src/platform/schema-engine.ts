import { readFile } from "node:fs/promises";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { PrismaPg } from "@prisma/adapter-pg";
import * as bindings from "@prisma/schema-engine-wasm/schema_engine_bg";

// The type lives in TypeScript's DOM library, which a server does not load.
declare const WebAssembly: {
  instantiate(
    module: Uint8Array,
    imports: Record<string, Record<string, unknown>>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

export type SchemaEngine = bindings.SchemaEngine;

let instantiated: Promise<void> | undefined;

/**
 * Prisma's schema engine as WebAssembly, connected to a database. The native engine of `prisma migrate` is a
 * download; this one comes with the package and keeps the same `_prisma_migrations` table.
 */
export async function connectSchemaEngine(databaseUrl: string): Promise<SchemaEngine> {
  instantiated ??= instantiate();
  await instantiated;
  const adapter = bindMigrationAwareSqlAdapterFactory(new WholeScripts({ connectionString: databaseUrl }));
  return bindings.SchemaEngine.new({ datamodels: undefined }, () => undefined, adapter);
}

async function instantiate(): Promise<void> {
  const glue = import.meta.resolve("@prisma/schema-engine-wasm/schema_engine_bg");
  const module = await readFile(new URL("schema_engine_bg.wasm", glue));
  const { instance } = await WebAssembly.instantiate(module, { "./schema_engine_bg.js": { ...bindings } });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
}

/**
 * The adapter cuts a script at every semicolon, inside functions and comments too. Postgres takes a script whole,
 * as one transaction unless it says otherwise.
 */
class WholeScripts extends PrismaPg {
  override async connect() {
    const connection = await super.connect();
    connection.executeScript = async (script) => {
      await connection.underlyingDriver().query(script);
    };
    return connection;
  }
}
