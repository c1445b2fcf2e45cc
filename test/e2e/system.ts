import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import {
  type EmbeddedPostgres,
  type IdentityProvider,
  processIdentity,
  removePostgres,
  startIdentityProvider,
  startPostgres,
} from "@drawbridge/embedded";
import { eventually, freePort, SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import pg from "pg";
import { stringify } from "yaml";
import { type MarkedProcess, processesWithHome } from "./marked-processes.js";
import { Program } from "./program.js";
import { programs } from "./programs.js";
import { type Door, RawSession } from "./raw-session.js";
import { RestClient } from "./rest-client.js";

/** What the agent's own configuration allows. */
export interface AllowList {
  readonly commands?: readonly { command: string; arguments: readonly string[]; environment?: string[] }[];
  readonly urls?: readonly string[];
}

export interface SystemOptions {
  /** Settings of the control plane beside the usual. */
  readonly settings?: Record<string, string>;
  readonly allow?: AllowList;
  readonly limits?: Record<string, number>;
}

export type Transport =
  | { stdio: { command: string; arguments?: readonly string[]; environment?: Record<string, string> } }
  | { http: { url: string; headers?: Record<string, string> } };

const GROUP = "lab";
const READY_WITHIN_MS = 60_000;
const PATH = `${path.dirname(programs.node)}:/usr/local/bin:/usr/bin:/bin`;

/**
 * The whole system in processes of its own, with its own folder and ports: Postgres, control plane, agent; the identity
 * provider, which no test kills, is in this one. Each part can be killed and brought back.
 */
export class System {
  readonly directory: string;
  readonly publicUrl: string;
  readonly agentAddress: string;
  readonly identity: IdentityProvider;
  readonly controlPlane: Program;
  readonly agent: Program;
  /** Every token that anybody was given so far, of people and of agents. */
  readonly tokens: string[] = [];
  #postgres: EmbeddedPostgres;
  readonly #watchdogs = new Set<number>();
  readonly #settings: Record<string, string>;

  private constructor(
    place: { directory: string; port: number; agentPort: number },
    parts: { postgres: EmbeddedPostgres; identity: IdentityProvider },
    { settings = {} }: SystemOptions,
  ) {
    this.directory = place.directory;
    this.publicUrl = `http://127.0.0.1:${place.port}`;
    this.agentAddress = `127.0.0.1:${place.agentPort}`;
    this.identity = parts.identity;
    this.#postgres = parts.postgres;
    this.#settings = settings;
    this.controlPlane = this.anotherControlPlane({});
    this.agent = new Program({
      name: "agent",
      command: programs.node,
      args: [programs.agent, "run", "--state", this.#inside("agent"), "--config", this.#inside("agent.yaml")],
      cwd: place.directory,
      env: { PATH, HOME: this.agentHome },
    });
  }

  /** Resolves when an agent is connected and nothing is registered yet. */
  static async start(options: SystemOptions = {}): Promise<System> {
    const directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-system-"));
    await chmod(directory, 0o711); // root's Postgres runs as somebody else, who has to pass through
    const [port, agentPort] = [await freePort(), await freePort()];
    const [postgres, identity] = await Promise.all([
      startPostgres({ directory: path.join(directory, "postgres") }),
      startIdentityProvider({ port: 0, publicUrl: `http://127.0.0.1:${port}` }),
    ]);
    const system = new System({ directory, port, agentPort }, { postgres, identity }, options);
    try {
      await system.#prepare(options);
      await system.startControlPlane();
      await system.joinAgent();
      await system.startAgent();
      return system;
    } catch (error) {
      const said = `${system.controlPlane.output}\n${system.agent.output}`;
      await system.stop();
      throw new Error(`the system did not start: ${String(error)}\n${said}`, { cause: error });
    }
  }

  get agentHome(): string {
    return this.#inside("agent-home");
  }

  get postgres(): EmbeddedPostgres {
    return this.#postgres;
  }

  api(username = "admin"): RestClient {
    return new RestClient(this.publicUrl, () => this.#issue(username, "api"));
  }

  async #issue(username: string, resource: "api" | "mcp"): Promise<string> {
    const token = await this.identity.issueToken({ username, resource });
    this.tokens.push(token);
    return token;
  }

  async door(target: string, username = "alice"): Promise<Door> {
    return { url: `${this.publicUrl}/mcp/${target}`, token: await this.#issue(username, "mcp") };
  }

  async open(target: string, username = "alice"): Promise<RawSession> {
    return RawSession.open(await this.door(target, username));
  }

  /** Registers a target under the agent's group. */
  async applyTarget(
    name: string,
    transport: Transport,
    { labels = {}, ...spec }: Record<string, unknown> & { labels?: Record<string, string> } = {},
  ): Promise<void> {
    await this.api().demand("PUT", `targets/${name}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name, labels },
      spec: { agentGroup: GROUP, transport, ...spec },
    });
  }

  /** Lets `groups` use these tools of the target and these methods beside calling tools, and nothing else. */
  async allow(
    target: string,
    {
      groups = ["engineering"],
      tools = ["*"],
      methods = [],
    }: { groups?: string[]; tools?: string[]; methods?: string[] } = {},
  ): Promise<void> {
    const source = stringify({
      apiVersion: "drawbridge/v1",
      kind: "Policy",
      metadata: { name: target },
      spec: {
        targets: { names: [target] },
        subjects: { groups },
        access: { mode: "standing" },
        rules: [
          { name: "tools", tools, effect: "allow" },
          ...(methods.length === 0 ? [] : [{ name: "methods", methods, effect: "allow" }]),
        ],
      },
    });
    await this.api().demand("PUT", `policies/${target}`, { source });
  }

  /** The scriptable server over stdio as a target that engineering may use. The allow-list must name the switches. */
  async applyScriptable(name: string, switches: string[] = []): Promise<void> {
    await this.applyTarget(name, {
      stdio: { command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, ...switches] },
    });
    await this.allow(name);
  }

  async startControlPlane(): Promise<void> {
    await this.controlPlane.start();
    await this.isReady();
  }

  /** A control plane with the settings of ours but for these, not started. */
  anotherControlPlane(settings: Record<string, string>): Program {
    return new Program({
      name: "control plane",
      command: programs.node,
      args: [programs.controlPlane],
      cwd: this.directory,
      env: { ...this.#controlPlaneEnvironment(), ...this.#settings, ...settings },
    });
  }

  /** Waits until a call could be recorded. */
  async isReady(): Promise<void> {
    await this.controlPlane.until(async () => {
      const { status } = await fetch(`${this.publicUrl}/healthz`);
      if (status !== 200) throw new Error(`/healthz answers ${status}`);
    }, READY_WITHIN_MS);
  }

  async startAgent(): Promise<void> {
    await this.agent.start();
    await this.agentIsConnected();
    await this.#noteWatchdogs();
  }

  async agentIsConnected(): Promise<void> {
    await this.agent.until(async () => {
      const { items } = (await this.api().demand("GET", "agents")) as { items: { connected: boolean }[] };
      if (!items.some(({ connected }) => connected)) throw new Error("the agent is not connected");
    }, READY_WITHIN_MS);
  }

  /** Runs one of the agent's commands to its end. */
  async runAgent(...args: string[]): Promise<{ code: number; output: string }> {
    const env = { PATH, HOME: this.agentHome };
    const options = { name: "agent", command: programs.node, cwd: this.directory, env };
    return new Program({ ...options, args: [programs.agent, ...args] }).run();
  }

  async invite(request: Record<string, unknown> = {}): Promise<{ token: string; id: string }> {
    const body = await this.api().demand("POST", "join-tokens", { group: GROUP, ...request });
    const invitation = body as unknown as { token: string; id: string };
    this.tokens.push(invitation.token);
    return invitation;
  }

  async joinAgent(): Promise<void> {
    const { token } = await this.invite();
    const { code, output } = await this.runAgent(...this.joinArguments(token, this.#inside("agent")));
    if (code !== 0) throw new Error(`the agent could not join: ${output}`);
  }

  joinArguments(token: string, state: string): string[] {
    return ["join", "--control-plane", this.agentAddress, "--token", token, "--state", state];
  }

  /** kill -9 of the server, which is not started again before `startPostgresAgain`. */
  async killPostgres(): Promise<void> {
    process.kill(this.#postgres.pid, "SIGKILL");
    await this.#postgres.stop();
  }

  /** An orderly stop. */
  stopPostgres(): Promise<void> {
    return this.#postgres.stop();
  }

  /** On the same port and data. */
  async startPostgresAgain(): Promise<void> {
    const { port } = this.#postgres;
    this.#postgres = await startPostgres({ directory: this.#inside("postgres"), port });
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.#postgres.superuserUrl });
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  async openSessions(): Promise<number> {
    const [row] = await this.query<{ open: number }>(
      "select count(*)::int as open from session where closed_at is null",
    );
    return row?.open ?? Number.NaN;
  }

  /** The targets that run, with all they have started, whoever their parent is now. */
  async children(): Promise<MarkedProcess[]> {
    const marked = await processesWithHome(this.agentHome);
    return marked.filter(
      ({ command }) => !command.startsWith("/bin/sh -c") && !command.includes(programs.agent),
    );
  }

  /** The session whose recording is the newest of the target. */
  async newestRecording(target: string): Promise<string> {
    const [newest] = await this.api().recordings(target);
    if (newest === undefined) throw new Error(`nothing was recorded for ${target}`);
    return newest.id;
  }

  /** Ends everything. @throws when something of it is left running */
  async stop(): Promise<void> {
    await this.#noteWatchdogs().catch(() => undefined);
    await this.agent.stop();
    await this.controlPlane.stop();
    await this.identity.stop();
    await this.#postgres.stop();
    await removePostgres(this.#inside("postgres"));
    await eventually(async () => {
      const left = await this.#leftRunning();
      if (left.length > 0) throw new Error(`still running: ${left.join(", ")}`);
    });
    await rm(this.directory, { recursive: true, force: true });
  }

  async #leftRunning(): Promise<string[]> {
    const homes = [this.agentHome, this.directory];
    const marked = (await Promise.all(homes.map(processesWithHome))).flat();
    const watchdogs = await Promise.all(
      [...this.#watchdogs].map(async (pid) =>
        (await processIdentity(pid)) === undefined ? [] : [`watchdog ${pid}`],
      ),
    );
    return [...marked.map(({ pid, command }) => `${pid} ${command}`), ...watchdogs.flat()];
  }

  /** A watchdog has no environment to know it by. */
  async #noteWatchdogs(): Promise<void> {
    const { pid } = this.agent;

    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    for (const child of children.trim().split(" ").filter(Boolean)) this.#watchdogs.add(Number(child));
  }

  async #prepare({ allow = {}, limits }: SystemOptions): Promise<void> {
    await mkdir(this.agentHome, { mode: 0o700 });
    await writeFile(this.#inside("kek"), randomBytes(32).toString("hex"), { mode: 0o600 });
    const config = {
      allow: { commands: [], urls: [], ...allow },
      ...(limits === undefined ? {} : { limits }),
    };
    await writeFile(this.#inside("agent.yaml"), stringify(config), { mode: 0o600 });
  }

  #controlPlaneEnvironment(): Record<string, string> {
    return {
      PATH,
      HOME: this.directory,
      NODE_ENV: "production",
      DATABASE_URL: this.#postgres.appUrl,
      DRAWBRIDGE_MIGRATION_DATABASE_URL: this.#postgres.ownerUrl,
      DRAWBRIDGE_PUBLIC_URL: this.publicUrl,
      DRAWBRIDGE_LISTEN: new URL(this.publicUrl).host,
      DRAWBRIDGE_AGENT_LISTEN: this.agentAddress,
      DRAWBRIDGE_KEK_FILE: this.#inside("kek"),
      DRAWBRIDGE_ADMIN_GROUPS: "admins",
      DRAWBRIDGE_AUDITOR_GROUPS: "admins",
      OIDC_ISSUER: this.identity.issuer,
      OIDC_CLIENT_ID: "drawbridge-cli",
    };
  }

  #inside(name: string): string {
    return path.join(this.directory, name);
  }
}

/** Lets the agent run the scriptable server with each of these lists of switches. */
export function scriptable(...switches: string[][]): AllowList["commands"] & object {
  return switches.map((list) => ({ command: programs.node, arguments: [SCRIPTABLE_SERVER_PATH, ...list] }));
}
