// Makes the secrets of a compose installation, each once: a start that finds them leaves them alone. Runs as root in a
// container of its own; nobody ever types or sees one.
//
//   /secrets/database/       superuser, owner and app: the passwords of the three roles      readable by Postgres
//   /secrets/redis/          redis.conf                                                      readable by Redis
//   /secrets/control-plane/  kek, settings.yaml                                              readable by the control plane
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

// 999 is postgres and redis in the official images.
const DATABASE = { directory: "/secrets/database", uid: 999 };
const REDIS = { directory: "/secrets/redis", uid: 999 };
const CONTROL_PLANE = { directory: "/secrets/control-plane", uid: 10_001 };

const owner = secret(DATABASE, "owner", password);
const app = secret(DATABASE, "app", password);
secret(DATABASE, "superuser", password);
const redisPassword = password();
// Nothing that Redis holds has to outlive it, and nothing may be thrown away while it lives.
const redis = secret(
  REDIS,
  "redis.conf",
  () => `requirepass ${redisPassword}\nmaxmemory-policy noeviction\nsave ""\nappendonly no\n`,
);
secret(CONTROL_PLANE, "kek", () => `${randomBytes(32).toString("hex")}\n`);
secret(CONTROL_PLANE, "settings.yaml", () =>
  [
    `DATABASE_URL: postgresql://drawbridge_app:${app}@postgres:5432/drawbridge`,
    `DRAWBRIDGE_MIGRATION_DATABASE_URL: postgresql://drawbridge_owner:${owner}@postgres:5432/drawbridge`,
    `REDIS_URL: redis://:${/^requirepass (\S+)/.exec(redis)?.[1]}@redis:6379`,
    "",
  ].join("\n"),
);

/** Letters, digits, - and _ only: it stands in URLs, in SQL and in a Redis configuration. */
function password() {
  return randomBytes(24).toString("base64url");
}

/** The secret in this file, made if there is none. Only the service it is for can read it. */
function secret({ directory, uid }, name, make) {
  const file = path.join(directory, name);
  if (!existsSync(file)) {
    writeFileSync(file, make(), { mode: 0o400, flag: "wx", flush: true });
    chownSync(file, uid, uid);
    console.log(`made ${file}`);
  }
  chownSync(directory, uid, uid);
  chmodSync(directory, 0o500);
  return readFileSync(file, "utf8");
}
