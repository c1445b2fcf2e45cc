import { readFileSync } from "node:fs";
import pg from "pg";
import type { ClusterSettings } from "./postgres-cluster.js";

/** The three ways into one database. Each URL holds a password: it is not for a log. */
export interface DatabaseUrls {
  /** drawbridge_owner: migrations and retention. */
  ownerUrl: string;
  /** drawbridge_app: serves requests. */
  appUrl: string;
  superuserUrl: string;
}

// The files an operator runs by hand, so that the embedded form cannot differ from the documented one.
const ROLES_SQL = readFileSync(new URL("../../../deploy/postgres/roles.sql", import.meta.url), "utf8");
const DATABASE_SQL = readFileSync(new URL("../../../deploy/postgres/database.sql", import.meta.url), "utf8");

function databaseUrls(settings: ClusterSettings, database: string): DatabaseUrls {
  const url = (role: string, password: string): string =>
    `postgresql://${role}:${password}@127.0.0.1:${settings.port}/${database}`;
  return {
    ownerUrl: url("drawbridge_owner", settings.ownerPassword),
    appUrl: url("drawbridge_app", settings.appPassword),
    superuserUrl: url("postgres", settings.superuserPassword),
  };
}

/** Makes the roles, or gives existing ones the stored passwords. */
export async function prepareRoles(settings: ClusterSettings): Promise<void> {
  const { superuserUrl } = databaseUrls(settings, "postgres");
  await withClient(superuserUrl, async (client) => {
    await client.query(ROLES_SQL);
    for (const [role, password] of [
      ["drawbridge_owner", settings.ownerPassword],
      ["drawbridge_app", settings.appPassword],
    ] as const) {
      await client.query(`ALTER ROLE ${role} PASSWORD ${client.escapeLiteral(password)}`);
    }
  });
}

/** Makes the database when it is missing: owned by drawbridge_owner, closed to everybody but the two roles. */
export async function ensureDatabase(settings: ClusterSettings, name: string): Promise<DatabaseUrls> {
  const urls = databaseUrls(settings, name);
  await createDatabaseIfMissing(databaseUrls(settings, "postgres").superuserUrl, name, "drawbridge_owner");
  await withClient(urls.superuserUrl, async (client) => client.query(DATABASE_SQL));
  return urls;
}

/** Makes an empty UTF-8 database when there is none of this name. */
export async function createDatabaseIfMissing(
  superuserUrl: string,
  name: string,
  owner: string,
): Promise<void> {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) {
    throw new Error(`"${name}" is no database name: use lower-case letters, digits and underscores`);
  }
  await withClient(superuserUrl, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${name} OWNER ${owner} TEMPLATE template0`);
  });
}

/** Runs one piece of work on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A connection that dies between two statements is reported by the next statement.
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
