import { randomBytes, randomInt } from "node:crypto";
import type pg from "pg";
import { createDatabaseIfMissing, withClient } from "./postgres-databases.js";

/** How the demo's MCP server reaches the shop. */
export interface Shop {
  dsn: string;
}

const CUSTOMERS = [
  "Ada Lovelace",
  "Grace Hopper",
  "Alan Turing",
  "Edsger Dijkstra",
  "Barbara Liskov",
  "Donald Knuth",
  "Margaret Hamilton",
  "Dennis Ritchie",
  "Katherine Johnson",
  "Ken Thompson",
  "Radia Perlman",
  "Leslie Lamport",
] as const;
const ITEMS = ["keyboard", "teapot", "lantern", "notebook", "umbrella"] as const;

/**
 * The demo's customer database `shop`: made when it is missing, left alone when it is there. Its card numbers,
 * password hashes and API keys are made up at run time, look real to a detector, and are good for nothing.
 */
export async function seedShop(superuserUrl: string, password = newShopPassword()): Promise<Shop> {
  await createDatabaseIfMissing(superuserUrl, "shop", "postgres");
  const url = new URL(superuserUrl);
  url.pathname = "/shop";
  await withClient(url.href, async (client) => {
    await client.query("BEGIN");
    await createTables(client);
    const { rowCount } = await client.query("SELECT FROM customers LIMIT 1");
    if (rowCount === 0) await fillTables(client);
    await grantDemoRole(client, password);
    await client.query("COMMIT");
  });
  url.search = "?sslmode=disable"; // on 127.0.0.1; some drivers ask for TLS otherwise
  url.username = "shop_demo";
  url.password = password;
  return { dsn: url.href };
}

/** Keep it to keep the DSN the same from one start to the next. */
export function newShopPassword(): string {
  return randomBytes(18).toString("base64url");
}

async function createTables(client: pg.Client): Promise<void> {
  await client.query(`
    CREATE TABLE IF NOT EXISTS customers (
      id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      name text NOT NULL,
      email text NOT NULL UNIQUE,
      card_number text NOT NULL,
      password_hash text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS orders (
      id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      customer_id integer NOT NULL REFERENCES customers,
      item text NOT NULL,
      amount_cents integer NOT NULL CHECK (amount_cents > 0),
      placed_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS integrations (
      name text PRIMARY KEY,
      api_key text NOT NULL,
      note text NOT NULL
    );
  `);
}

async function fillTables(client: pg.Client): Promise<void> {
  for (const name of CUSTOMERS) {
    const email = `${name.toLowerCase().replace(" ", ".")}@example.com`;
    const { rows } = await client.query<{ id: number }>(
      "INSERT INTO customers (name, email, card_number, password_hash) VALUES ($1, $2, $3, $4) RETURNING id",
      [name, email, madeUpCardNumber(), madeUpPasswordHash()],
    );
    const item = ITEMS[randomInt(ITEMS.length)];
    await client.query("INSERT INTO orders (customer_id, item, amount_cents) VALUES ($1, $2, $3)", [
      rows[0]?.id,
      item,
      randomInt(500, 20_000),
    ]);
  }
  const paymentKey = `sk_live_${randomText(24)}`;
  await client.query("INSERT INTO integrations (name, api_key, note) VALUES ($1, $2, $3), ($4, $5, $6)", [
    "payments",
    paymentKey,
    `rotate this one: Authorization: Bearer ${paymentKey}`,
    "source-code",
    `ghp_${randomText(36)}`,
    "used by the release job",
  ]);
}

/** May read everything and change orders, so that there is something to hold back. */
async function grantDemoRole(client: pg.Client, password: string): Promise<void> {
  await client.query(`
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_demo') THEN CREATE ROLE shop_demo; END IF;
    END $$;
    REVOKE ALL ON DATABASE shop FROM PUBLIC;
    GRANT CONNECT ON DATABASE shop TO shop_demo;
    GRANT USAGE ON SCHEMA public TO shop_demo;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop_demo;
    GRANT INSERT, UPDATE, DELETE ON orders TO shop_demo;
    ALTER ROLE shop_demo LOGIN CONNECTION LIMIT 20 PASSWORD ${client.escapeLiteral(password)};
  `);
}

/** 16 digits that pass the Luhn check, in the range the schemes keep for tests. */
function madeUpCardNumber(): string {
  const digits = [4, 0, 0, 0, 0, 0, ...Array.from({ length: 9 }, () => randomInt(10))];
  return [...digits, luhnCheckDigit(digits)].join("");
}

function luhnCheckDigit(digits: readonly number[]): number {
  const sum = digits.toReversed().reduce((total, digit, index) => {
    const doubled = index % 2 === 0 ? digit * 2 : digit;
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return (10 - (sum % 10)) % 10;
}

/** Has the shape of a bcrypt hash and is the hash of nothing. */
function madeUpPasswordHash(): string {
  return `$2b$12$${randomText(53)}`;
}

function randomText(length: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}
