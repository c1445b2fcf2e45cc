import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {
  AgentPage,
  AuditEventPage,
  JoinTokenCreated,
  PolicyApplied,
  PolicyPage,
  RecordingEventView,
  RecordingPage,
  RecordingVerification,
  RecordingView,
  SessionPage,
  WhoAmI,
} from "@drawbridge/contracts";
import {
  type EmbeddedPostgres,
  type IdentityProvider,
  removePostgres,
  seedShop,
  startIdentityProvider,
  startPostgres,
} from "@drawbridge/embedded";
import { eventually, freePort } from "@drawbridge/testing";
import pg from "pg";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { disclosed } from "./disclosure.js";
import { processesWithHome } from "./marked-processes.js";
import { Program } from "./program.js";
import { programs, root } from "./programs.js";

// docs/operating.md, step by step; each test is one of its sections and goes on from the one before. What is typed is
// checked to be in the document, and its files are taken from there.

const PATH = `${path.dirname(programs.node)}:/usr/local/bin:/usr/bin:/bin`;
let guide: string;
let directory: string;
let publicUrl: string;
let agentAddress: string;
let postgres: EmbeddedPostgres;
let identity: IdentityProvider;
let controlPlane: Program | undefined;
let agent: Program | undefined;
let shopDsn: string;
let recordingId: string;
/** All that any command printed. */
let printed = "";
let joinToken = "";

beforeAll(async () => {
  guide = await readFile(path.join(root, "docs/operating.md"), "utf8");
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-operator-"));
  await chmod(directory, 0o711); // root's Postgres runs as somebody else, who has to pass through
  publicUrl = `http://127.0.0.1:${await freePort()}`;
  agentAddress = `127.0.0.1:${await freePort()}`;
  [postgres, identity] = await Promise.all([
    startPostgres({ directory: inside("postgres") }),
    startIdentityProvider({ port: 0, publicUrl }),
  ]);
  shopDsn = (await seedShop(postgres.superuserUrl)).dsn;
  await mkdir(inside("bin"));
  await mkdir(inside("lab"));
  await wrapper("drawbridge-agent", path.join(root, "apps/agent/bin/drawbridge-agent.mjs"));
  await wrapper("dbhub", programs.dbhub);
});
afterAll(async () => {
  await agent?.stop();
  await controlPlane?.stop();
  await identity?.stop();
  await postgres?.stop();
  await removePostgres(inside("postgres"));
  const left = async () => (await Promise.all([inside("lab"), directory].map(processesWithHome))).flat();
  await eventually(async () => (await left()).length === 0);
  await rm(directory, { recursive: true, force: true });
});

const inside = (name: string) => path.join(directory, name);

/** A program of that name, as an installation would have it. */
async function wrapper(name: string, script: string): Promise<void> {
  await writeFile(inside(`bin/${name}`), `#!/bin/sh\nexec ${programs.node} ${script} "$@"\n`, {
    mode: 0o755,
  });
}

function requireInGuide(text: string): void {
  if (!guide.includes(text)) throw new Error(`docs/operating.md does not say: ${text}`);
}

/** The code block of the guide that begins with `# name`, with the places of this machine. */
function documentOf(name: string): string {
  const [, text] = new RegExp(`\`\`\`yaml\\n# ${name}\\n([^]*?)\`\`\``).exec(guide) ?? [];
  if (text === undefined) throw new Error(`docs/operating.md has no ${name}`);
  return text
    .replaceAll("/usr/local/bin/dbhub", inside("bin/dbhub"))
    .replace(/postgres:\/\/reader:[^"]*/, shopDsn);
}

/** Runs `./drawbridge …` as somebody. What is typed has to be in the guide, but for what is marked with `+`. */
async function drawbridge(who: string, ...typed: string[]): Promise<{ code: number; output: string }> {
  const command = typed.filter((word) => !word.startsWith("+")).join(" ");
  requireInGuide(command);
  const program = new Program({
    name: "drawbridge",
    command: programs.cli,
    args: ["--url", publicUrl, ...typed.map((word) => word.replace(/^\+/, ""))],
    cwd: directory,
    env: { PATH, HOME: directory, XDG_CONFIG_HOME: inside(`config-${who}`) },
  });
  const { code, output } = await program.run();
  printed += output;
  return { code, output };
}

/** The JSON that a command prints, held against the schema of the REST API. */
async function json<Schema extends z.ZodType>(schema: Schema, who: string, ...typed: string[]) {
  const { code, output } = await drawbridge(who, ...typed, "+--json");
  if (code !== 0) throw new Error(`${typed.join(" ")} ended with ${code}: ${output}`);
  return schema.parse(JSON.parse(output));
}

async function asSuperuser(database: string, sql: string): Promise<void> {
  const url = new URL(postgres.superuserUrl);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  const connected = await client.connect().then(
    () => true,
    () => false,
  );
  await client.end().catch(() => undefined);
  return connected;
}

/** How one reaches the new database as this role. */
function urlOf(role: "drawbridge_owner" | "drawbridge_app", password: string): string {
  return `postgresql://${role}:${password}@127.0.0.1:${postgres.port}/governance`;
}

/** Runs something on the agent's host. */
async function startInLab(name: string, [command = "", ...args]: string[]): Promise<void> {
  const lab = inside("lab");
  const env = { PATH: `${inside("bin")}:${PATH}`, HOME: lab };
  agent = new Program({ name, command, args, cwd: lab, env });
  await agent.start();
}

async function agentIsConnected(connected: boolean): Promise<void> {
  await eventually(
    async () => {
      const { items } = await json(AgentPage, "admin", "agents");
      if (items[0]?.connected !== connected) throw new Error(agent?.output ?? "there is no agent");
    },
    { timeoutMs: 20_000, intervalMs: 200 },
  );
}

describe("docs/operating.md", () => {
  test("the database: two roles and a database of their own", async () => {
    const sql = (name: string) => readFile(path.join(root, "deploy/postgres", name), "utf8");
    for (const file of ["roles.sql", "database.sql"]) requireInGuide(`-f deploy/postgres/${file}`);
    await asSuperuser("postgres", await sql("roles.sql"));
    requireInGuide("createdb --owner=drawbridge_owner --encoding=UTF8 --template=template0 drawbridge");
    // Under another name: the embedded Postgres has made one already.
    await asSuperuser("postgres", "create database governance owner drawbridge_owner template template0");
    await asSuperuser("governance", await sql("database.sql"));
    for (const role of ["drawbridge_owner", "drawbridge_app"]) {
      await asSuperuser("postgres", `alter role ${role} password '${role}-planted-password'`);
    }
    expect(await canConnect(urlOf("drawbridge_app", "drawbridge_app-planted-password"))).toBe(true);
    expect(await canConnect(shopDsn.replace("/shop?", "/governance?"))).toBe(false);
  });

  test("settings: from a file and the environment, and the control plane is up", async () => {
    await writeFile(inside("kek"), randomBytes(32).toString("hex"), { mode: 0o600 });
    const settings = {
      DRAWBRIDGE_PUBLIC_URL: publicUrl,
      DRAWBRIDGE_LISTEN: new URL(publicUrl).host,
      DRAWBRIDGE_AGENT_LISTEN: agentAddress,
      DRAWBRIDGE_KEK_FILE: inside("kek"),
      DRAWBRIDGE_ADMIN_GROUPS: "admins",
      DRAWBRIDGE_AUDITOR_GROUPS: "admins",
      OIDC_ISSUER: identity.issuer,
      OIDC_CLIENT_ID: "drawbridge-cli",
    };
    for (const name of Object.keys(settings)) requireInGuide(`\`${name}\``);
    await writeFile(inside("drawbridge.yaml"), stringify(settings));
    controlPlane = new Program({
      name: "control plane",
      command: programs.node,
      args: [programs.controlPlane],
      cwd: directory,
      env: {
        PATH,
        HOME: directory,
        DRAWBRIDGE_CONFIG_FILE: inside("drawbridge.yaml"),
        DATABASE_URL: urlOf("drawbridge_app", "drawbridge_app-planted-password"),
        DRAWBRIDGE_MIGRATION_DATABASE_URL: urlOf("drawbridge_owner", "drawbridge_owner-planted-password"),
      },
    });
    await controlPlane.start();
    await controlPlane.until(async () => {
      const { ok } = await fetch(`${publicUrl}/healthz`);
      if (!ok) throw new Error("not ready");
    }, 30_000);
    expect(controlPlane.output).toContain("migrations applied");
  });

  test("sign in", async () => {
    expect((await drawbridge("admin", "login", "+--as", "+admin")).code).toBe(0);
    expect(await json(WhoAmI, "admin", "whoami")).toMatchObject({
      principal: "admin",
      roles: expect.arrayContaining(["admin", "auditor"]) as string[],
    });
    expect((await drawbridge("alice", "login", "+--as", "+alice")).code).toBe(0);
    expect(await drawbridge("alice", "agents", "invite", "--group", "lab")).toMatchObject({ code: 4 });
    expect(await drawbridge("nobody", "whoami")).toMatchObject({ code: 3 });
  });

  test("invite an agent: the printed line joins and runs it", async () => {
    await writeFile(inside("lab/agent.yaml"), documentOf("agent.yaml"));
    const { command, token } = await json(JoinTokenCreated, "admin", "agents", "invite", "--group", "lab");
    joinToken = token;
    await startInLab("the printed line", ["/bin/sh", "-c", command]);
    await agentIsConnected(true);
    for (const { pid, command: line } of await processesWithHome(inside("lab"))) {
      if (line.includes(" run ") && !line.startsWith("/bin/sh")) process.kill(pid, "SIGTERM");
    }
    expect(await agent?.ended()).toBe(0);
    await agentIsConnected(false);
  });

  test("start it again", async () => {
    const typed = "drawbridge-agent run --state ./drawbridge-agent --config ./agent.yaml";
    requireInGuide(typed);
    const [command = "", ...args] = typed.split(" ");
    await startInLab("agent", [inside(`bin/${command}`), ...args]);
    await agentIsConnected(true);
    const { items } = await json(AgentPage, "admin", "agents");
    expect(items).toMatchObject([{ group: "lab", state: "active", isolation: "none" }]);
  });

  test("register a target and apply a policy, any number of times", async () => {
    await writeFile(inside("shop.yaml"), documentOf("shop.yaml"));
    await writeFile(inside("engineers.yaml"), documentOf("engineers.yaml"));
    const Applied = z.object({ items: z.array(z.object({ name: z.string(), result: z.string() })) });
    const apply = () => json(Applied, "admin", "targets", "apply", "-f", "shop.yaml");
    expect((await apply()).items).toMatchObject([{ name: "shop", result: "created" }]);
    expect((await apply()).items).toMatchObject([{ name: "shop", result: "unchanged" }]);
    expect(await drawbridge("alice", "targets", "apply", "-f", "shop.yaml")).toMatchObject({ code: 4 });
    const Policies = z.object({ items: z.array(PolicyApplied.pick({ name: true, changed: true })) });
    const applyPolicy = () => json(Policies, "admin", "policy", "apply", "-f", "engineers.yaml");
    expect((await applyPolicy()).items).toEqual([{ name: "engineers", changed: true }]);
    expect((await applyPolicy()).items).toEqual([{ name: "engineers", changed: false }]);
    expect((await json(PolicyPage, "admin", "policy", "+list")).items).toHaveLength(1);
  });

  test("use it", async () => {
    const found = await drawbridge(
      "alice",
      "call",
      "shop",
      "search_objects",
      "+" + '{"object_type":"table"}',
    );
    expect(found).toMatchObject({ code: 0, output: expect.stringContaining("customers") as string });
    const sql = JSON.stringify({ sql: "select * from customers limit 3" });
    const { code, output } = await drawbridge("alice", "call", "shop", "+execute_sql", `+${sql}`);
    expect({ code, output }).toMatchObject({
      code: 0,
      output: expect.stringContaining("Ada Lovelace") as string,
    });
    expect(output).toContain("[REDACTED:");
    const { output: token } = await drawbridge("alice", "token");
    expect(parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())).toMatchObject({
      aud: `${publicUrl}/mcp`,
    });
    printed = printed.replaceAll(token, "");
  });

  test("day to day: who is connected, what was said, who changed what", async () => {
    expect((await json(SessionPage, "admin", "sessions")).items).toHaveLength(2);
    const { items } = await json(RecordingPage, "admin", "recordings");
    expect(items).toMatchObject([{ principal: "alice", target: "shop", calls: 1 }, { principal: "alice" }]);
    recordingId = items[0]?.id ?? "";
    expect((await json(RecordingPage, "alice", "recordings")).items).toHaveLength(2);
    const Shown = RecordingView.extend({ timeline: z.array(RecordingEventView) });
    const { timeline } = await json(Shown, "admin", "recordings", "show", `+${recordingId}`);
    expect(timeline.map(({ kind }) => kind)).toContain("session_closed");
    const call = timeline.find(({ name, kind }) => kind === "request" && name === "execute_sql");
    expect(call?.payload).toContain("select * from customers limit 3");
    expect(
      await json(RecordingVerification, "admin", "recordings", "verify", `+${recordingId}`),
    ).toMatchObject({
      ok: true,
      final: true,
    });
    const exported = await drawbridge("admin", "recordings", "export", `+${recordingId}`);
    expect(exported.output.trim().split("\n")).toHaveLength(timeline.length + 1);
    const { items: acts } = await json(AuditEventPage, "admin", "audit");
    const actions = acts.map(({ action }) => action);
    for (const action of ["join_token.created", "target.applied", "policy.applied", "recording.read"])
      expect(actions).toContain(action);
    expect(await drawbridge("alice", "audit")).toMatchObject({ code: 4 });
  });

  test("end what should end", async () => {
    const [connected] = (await json(AgentPage, "admin", "agents")).items;
    const Removed = z.object({ id: z.uuid(), removed: z.literal(true) });
    await json(Removed, "admin", "agents", "remove", `+${connected?.id}`);
    expect(
      (await json(AgentPage, "admin", "agents")).items.filter(({ state }) => state === "active"),
    ).toEqual([]);
    const refused = await drawbridge("alice", "call", "shop", "search_objects", "+{}");
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining("nothing ran") as string });
  });

  test("no secret was printed or logged on the way", async () => {
    const { password } = new URL(shopDsn);
    const logs = `${controlPlane?.output}\n${agent?.output}`;
    const kek = await readFile(inside("kek"), "utf8");
    const secrets = [password, "planted-password", kek, joinToken];
    expect(disclosed(logs, secrets)).toEqual([]);
    expect(disclosed(printed, secrets)).toEqual([joinToken]);
  });
});
