import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EmbeddedPostgres } from "./postgres.js";
import { withClient } from "./postgres-databases.js";
import { seedShop } from "./shop.js";
import { startTemporaryPostgres } from "./temporary-postgres.js";

let postgres: EmbeddedPostgres;
beforeAll(async () => {
  postgres = await startTemporaryPostgres();
});
afterAll(() => postgres.stop());

interface Customer {
  id: number;
  email: string;
  card_number: string;
  password_hash: string;
}

const customers = async (dsn: string): Promise<Customer[]> =>
  withClient(
    dsn,
    async (client) => (await client.query<Customer>("SELECT * FROM customers ORDER BY id")).rows,
  );

function passesLuhn(number: string): boolean {
  const sum = Array.from(number)
    .toReversed()
    .reduce((total, character, index) => {
      const digit = Number(character) * (index % 2 === 1 ? 2 : 1);
      return total + Math.floor(digit / 10) + (digit % 10);
    }, 0);
  return sum % 10 === 0;
}

describe("seedShop", () => {
  test("fills the shop with secrets a detector would take for real", async () => {
    const { dsn } = await seedShop(postgres.superuserUrl);
    const rows = await customers(dsn);
    expect(rows.length).toBeGreaterThan(3);
    for (const { email, card_number: card, password_hash: hash } of rows) {
      expect(email).toMatch(/^[a-z.]+@example\.com$/);
      expect(card).toMatch(/^400000\d{10}$/);
      expect(passesLuhn(card)).toBe(true);
      expect(hash).toMatch(/^\$2b\$12\$[./A-Za-z0-9]{53}$/);
    }
    const keys = await withClient(dsn, (client) =>
      client.query<{ api_key: string }>("SELECT api_key FROM integrations"),
    );
    expect(keys.rows.map(({ api_key: key }) => key.slice(0, 4)).toSorted()).toEqual(["ghp_", "sk_l"]);
  });

  test("keeps the data when it runs again and sets a new password unless told one", async () => {
    const first = await seedShop(postgres.superuserUrl);
    const before = await customers(first.dsn);
    const second = await seedShop(postgres.superuserUrl);
    expect(await customers(second.dsn)).toEqual(before);
    expect((await seedShop(postgres.superuserUrl, new URL(second.dsn).password)).dsn).toBe(second.dsn);
    await expect(customers(first.dsn)).rejects.toThrow(/password authentication failed/);
  });

  test("lets the demo's role change orders and nothing else", async () => {
    const { dsn } = await seedShop(postgres.superuserUrl);
    await withClient(dsn, (client) => client.query("UPDATE orders SET item = 'teapot' WHERE id = 1"));
    await expect(withClient(dsn, (client) => client.query("DELETE FROM customers"))).rejects.toThrow(
      /permission denied/,
    );
    await expect(withClient(dsn, (client) => client.query("CREATE TABLE t ()"))).rejects.toThrow(
      /permission denied/,
    );
    const elsewhere = dsn.replace("/shop?", "/drawbridge?");
    await expect(withClient(elsewhere, (client) => client.query("SELECT 1"))).rejects.toThrow(
      /permission denied/,
    );
  });
});
