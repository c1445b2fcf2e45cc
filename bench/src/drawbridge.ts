import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp } from "node:fs/promises";
import path from "node:path";
import {
  type EmbeddedPostgres,
  findFreePort,
  type IdentityProvider,
  startIdentityProvider,
  startTemporaryPostgres,
  writePrivateFile,
} from "@drawbridge/embedded";
import pg from "pg";
import { hundredRules, targetDocument, TARGET, USER } from "./drawbridge-documents.js";
import { withChildren } from "./process-usage.js";
import {
  agentProgram,
  controlPlaneProgram,
  eventually,
  type RunningProgram,
  startProgram,
  STOP_WITHIN_MS,
} from "./programs.js";
import type { Subject } from "./subject.js";

/** A made-up card number of the stub target: it must arrive everywhere but through Drawbridge. */
export const CARD = "4111 1111 1111 1111";

export interface DrawbridgeWish {
  readonly targetUrl: string;
  readonly scratch: string;
  /** More arguments for Node, for both of our processes. */
  readonly nodeArguments: readonly string[];
  readonly say: (text: string) => void;
}

interface Started extends DrawbridgeWish {
  readonly directory: string;
  readonly publicUrl: string;
  readonly agentAddress: string;
  readonly postgres: EmbeddedPostgres;
  readonly identity: IdentityProvider;
}

/** All of Drawbridge with every control on, set up as an operator would: nothing is switched off to be fast. */
export async function startDrawbridge(wish: DrawbridgeWish): Promise<Subject> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).toReversed()) await each();
  };
  try {
    const directory = await mkdtemp(path.join(wish.scratch, "drawbridge-"));
    const publicUrl = `http://127.0.0.1:${await findFreePort()}`;
    const agentAddress = `127.0.0.1:${await findFreePort()}`;
    const postgres = await startTemporaryPostgres();
    stops.push(() => postgres.stop());
    await requireDurability(postgres, wish.say);
    const identity = await startIdentityProvider({ port: 0, publicUrl, users: [USER] });
    stops.push(() => identity.stop());

    const started: Started = { ...wish, directory, publicUrl, agentAddress, postgres, identity };
    const controlPlane = await startControlPlane(started);
    stops.push(() => controlPlane.stop(STOP_WITHIN_MS));
    const agent = await startAgent(started);
    stops.push(() => agent.stop(STOP_WITHIN_MS));
    await call(started, "PUT", `/targets/${TARGET}`, targetDocument(wish.targetUrl));
    for (const policy of hundredRules()) {
      await call(started, "PUT", `/policies/${policy.metadata.name}`, { source: JSON.stringify(policy) });
    }
    await requireToken(started);

    const token = await identity.issueToken({
      username: USER.username,
      resource: "mcp",
      lifetimeSeconds: 3600,
    });
    return {
      name: "drawbridge",
      url: `${publicUrl}/mcp/${TARGET}`,
      headers: { authorization: `Bearer ${token}` },
      parts: async () => [
        { name: "control plane", pids: [controlPlane.pid] },
        { name: "agent", pids: [agent.pid] },
        { name: "PostgreSQL", pids: await withChildren(postgres.pid) },
      ],
      verify: ({ answered, sample }) => verify(started, answered, sample),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const DURABILITY = ["fsync", "synchronous_commit", "full_page_writes"];

/** Without these a commit proves nothing, and the numbers would be those of another product. */
async function requireDurability(postgres: EmbeddedPostgres, say: (text: string) => void): Promise<void> {
  await withDatabase(postgres, async (client) => {
    const values: string[] = [];
    for (const name of DURABILITY) {
      const { rows } = await client.query<Record<string, string>>(`SHOW ${name}`);
      if (rows[0]?.[name] !== "on")
        throw new Error(`PostgreSQL has ${name} = ${rows[0]?.[name]}; it must be on`);
      values.push(`${name} = on`);
    }
    say(`PostgreSQL: ${values.join(", ")}`);
  });
}

async function withDatabase<T>(
  postgres: EmbeddedPostgres,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: postgres.appUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function startControlPlane(started: Started): Promise<RunningProgram> {
  const { directory, publicUrl, agentAddress, postgres, identity, nodeArguments } = started;
  const kekFile = path.join(directory, "key-encryption.key");
  await writePrivateFile(kekFile, `${randomBytes(32).toString("hex")}\n`);
  const env = {
    HOME: directory,
    NODE_ENV: "production",
    DATABASE_URL: postgres.appUrl,
    DRAWBRIDGE_MIGRATION_DATABASE_URL: postgres.ownerUrl,
    DRAWBRIDGE_PUBLIC_URL: publicUrl,
    DRAWBRIDGE_LISTEN: new URL(publicUrl).host,
    DRAWBRIDGE_AGENT_LISTEN: agentAddress,
    DRAWBRIDGE_KEK_FILE: kekFile,
    DRAWBRIDGE_ADMIN_GROUPS: "admins",
    DRAWBRIDGE_OPERATOR_GROUPS: "admins",
    OIDC_ISSUER: identity.issuer,
    OIDC_CLIENT_ID: "drawbridge-bench",
  };
  const args = [...nodeArguments, controlPlaneProgram];
  const child = await startProgram({ name: "control plane", args, env, cwd: directory });
  return ready(child, "the start of the control plane", async () => {
    const response = await fetch(`${publicUrl}/healthz`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok || undefined;
  });
}

async function startAgent(started: Started): Promise<RunningProgram> {
  const { directory, agentAddress, targetUrl, nodeArguments } = started;
  const { token } = await call<{ token: string }>(started, "POST", "/join-tokens", { group: "bench" });
  const tokenFile = path.join(directory, "join-token");
  const config = path.join(directory, "agent.yaml");
  const state = path.join(directory, "agent");
  await mkdir(state, { mode: 0o700 });
  await writePrivateFile(tokenFile, token);
  // JSON is YAML.
  await writePrivateFile(config, JSON.stringify({ allow: { commands: [], urls: [targetUrl] } }));
  const args = [...nodeArguments, agentProgram, "run", "--state", state, "--config", config];
  args.push("--token-file", tokenFile, "--control-plane", agentAddress);
  const child = await startProgram({ name: "agent", args, env: { HOME: directory }, cwd: directory });
  return ready(child, "the agent's connection", async () => {
    const { items } = await call<{ items: { connected: boolean }[] }>(started, "GET", "/agents");
    return items[0]?.connected || undefined;
  });
}

async function ready(
  child: RunningProgram,
  what: string,
  ask: () => Promise<true | undefined>,
): Promise<RunningProgram> {
  const ended = child.exited.then(({ code }) => {
    throw new Error(`${what} failed: it ended with code ${code}`);
  });
  try {
    await Promise.race([eventually(what, 60_000, ask), ended]);
    return child;
  } catch (error) {
    await child.stop(STOP_WITHIN_MS);
    throw new Error([(error as Error).message, ...child.lastLines].join("\n"), { cause: error });
  }
}

/** One call of the REST API as the administrator. */
async function call<T>(
  { publicUrl, identity }: Started,
  method: string,
  route: string,
  body?: unknown,
): Promise<T> {
  const token = await identity.issueToken({ username: USER.username, resource: "api" });
  const response = await fetch(`${publicUrl}/api/v1${route}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    signal: AbortSignal.timeout(30_000),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${route} was answered with HTTP ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

async function requireToken({ publicUrl }: Started): Promise<void> {
  const response = await fetch(`${publicUrl}/mcp/${TARGET}`, { method: "POST" });
  await response.body?.cancel();
  if (response.status !== 401)
    throw new Error(`a call without a token was answered with HTTP ${response.status}`);
}

const RECORDED = `
  SELECT count(*) FILTER (WHERE kind = 1) AS requests, count(*) FILTER (WHERE kind = 2) AS responses
  FROM recording_event WHERE method = 'tools/call'`;

/** Every call that was answered is in the recordings, and what was answered was masked. */
async function verify({ postgres }: Started, answered: number, sample: string): Promise<string> {
  if (sample.includes(CARD)) throw new Error("a card number came through Drawbridge unmasked");
  const { requests, responses } = await withDatabase(postgres, async (client) => {
    const { rows } = await client.query<{ requests: string; responses: string }>(RECORDED);
    return { requests: Number(rows[0]?.requests), responses: Number(rows[0]?.responses) };
  });
  if (!(requests >= answered && responses >= answered)) {
    throw new Error(
      `${answered} calls were answered, but ${requests} requests and ${responses} responses recorded`,
    );
  }
  return `${answered} calls answered, ${requests} requests and ${responses} responses recorded`;
}
