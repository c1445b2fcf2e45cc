import { randomBytes } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type EmbeddedPostgres,
  type IdentityProvider,
  startIdentityProvider,
  startTemporaryPostgres,
} from "@drawbridge/embedded";
import { freePort } from "@drawbridge/testing";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { Test } from "@nestjs/testing";
import pg from "pg";
import { AgentLinks } from "../../agents/index.js";
import { AppModule } from "../../app.module.js";
import { CONFIG, type Config, loadConfig } from "../../config.js";
import { prepareApi } from "../../platform/api.js";
import { EpochWatch } from "../../platform/epoch-watch.js";
import { createHttpServer, listen } from "../../platform/http-server.js";
import { migrate } from "../../platform/migrations.js";
import { ToolPins } from "../../tools/index.js";
import { GatewayEndpoint } from "../edge/gateway-endpoint.js";
import { FakeAgentLinks, type FakeTool, TOOLS, toolFromTarget } from "./fake-agent-links.js";
import { ENGINEERS_READ } from "./policies.js";

/** The machine that runs the tests may have much else to do. */
export const PATIENT = { timeout: 20_000 };

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: { id?: unknown; result?: Record<string, unknown>; error?: { code: number; message: string } };
}

/** The control plane with everything real but the agent: Postgres, identity provider, HTTP. */
export class GatewayUnderTest {
  readonly links = new FakeAgentLinks();
  private app: NestExpressApplication | undefined;
  private server: Server | undefined;

  private constructor(
    readonly postgres: EmbeddedPostgres,
    readonly identity: IdentityProvider,
    readonly config: Config,
    private readonly policy: string,
  ) {}

  /** With one target, "shop". */
  static async start(policy = ENGINEERS_READ): Promise<GatewayUnderTest> {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const [postgres, identity] = await Promise.all([
      startTemporaryPostgres(),
      startIdentityProvider({ port: 0, publicUrl }),
    ]);
    const kek = path.join(await mkdtemp(path.join(tmpdir(), "gateway-")), "kek");
    await writeFile(kek, randomBytes(32).toString("hex"), { mode: 0o600 });
    const config = loadConfig({
      DATABASE_URL: postgres.appUrl,
      DRAWBRIDGE_MIGRATION_DATABASE_URL: postgres.ownerUrl,
      DRAWBRIDGE_PUBLIC_URL: publicUrl,
      DRAWBRIDGE_LISTEN: `127.0.0.1:${port}`,
      DRAWBRIDGE_AGENT_LISTEN: `127.0.0.1:${await freePort()}`,
      DRAWBRIDGE_KEK_FILE: kek,
      DRAWBRIDGE_ADMIN_GROUPS: "admins",
      DRAWBRIDGE_AUDITOR_GROUPS: "admins",
      DRAWBRIDGE_MAX_MESSAGE_BYTES: "65536",
      OIDC_ISSUER: identity.issuer,
      OIDC_CLIENT_ID: "drawbridge-cli",
    });
    await migrate(config.migrationDatabaseUrl);
    const gateway = new GatewayUnderTest(postgres, identity, config, policy);
    await gateway.startControlPlane();
    await gateway.applyTarget("shop");
    await gateway.applyPolicy(policy);
    return gateway;
  }

  /** Another control plane on the same database, with agents of its own. */
  async beside(): Promise<GatewayUnderTest> {
    const { config } = this;
    const listening = { ...config.listen, port: await freePort() };
    const host = `${listening.host}:${listening.port}`;
    const gateway = new GatewayUnderTest(
      this.postgres,
      this.identity,
      {
        ...config,
        listen: listening,
        publicUrl: `http://${host}`,
        allowedHosts: [...config.allowedHosts, host],
        agentListen: { ...config.agentListen, port: await freePort() },
      },
      this.policy,
    );
    await gateway.startControlPlane();
    return gateway;
  }

  /** Also the second half of a restart: the same database, nothing remembered. */
  async startControlPlane(): Promise<void> {
    const module = await Test.createTestingModule({ imports: [AppModule] })
      .overrideProvider(CONFIG)
      .useValue(this.config)
      .overrideProvider(AgentLinks)
      .useValue(this.links)
      .compile();
    this.app = module.createNestApplication<NestExpressApplication>({ bodyParser: false, logger: false });
    prepareApi(this.app);
    await this.app.init();
    this.server = createHttpServer(this.app.get(GatewayEndpoint), this.app.getHttpAdapter().getInstance());
    await listen(this.server, this.config.listen);
  }

  async stopControlPlane(): Promise<void> {
    this.server?.close();
    this.server?.closeAllConnections();
    await this.app?.close();
  }

  async stop(): Promise<void> {
    await this.stopControlPlane();
    await Promise.all([this.identity.stop(), this.postgres.stop()]);
  }

  /** For the next test: the agent and the policy are as they were at first. */
  async reset(): Promise<void> {
    this.links.reset();
    await this.applyPolicy(this.policy);
  }

  get<Type>(provider: new (...args: never[]) => Type): Type {
    if (!this.app) throw new Error("the control plane is not running");
    return this.app.get(provider);
  }

  /** From here on it learns of changes only where something is asked or recorded. */
  stopWatching(): Promise<void> {
    return this.get(EpochWatch).onModuleDestroy();
  }

  mcpToken(username: string): Promise<string> {
    return this.identity.issueToken({ username, resource: "mcp" });
  }

  /** One POST to the gateway as `username`, or with the very headers given. */
  async post(
    target: string,
    body: string | object,
    options: { as?: string; session?: string; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.config.publicUrl}/mcp/${target}`, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        authorization: `Bearer ${await this.mcpToken(options.as ?? "alice")}`,
        ...(options.session === undefined ? {} : { "mcp-session-id": options.session }),
        ...options.headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const json = lastMessageIn(text, response.headers.get("content-type"));
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: json ? (JSON.parse(json) as Answer["json"]) : {},
    };
  }

  /** Opens a session and says so to the target, as a client does. */
  async openSession(target: string, as = "alice"): Promise<string> {
    const opened = await this.post(target, initializeRequest(), { as });
    const session = opened.headers.get("mcp-session-id");
    if (!session) throw new Error(`initialize answered ${opened.status} ${opened.text}`);
    return session;
  }

  /** The REST API as the admin. */
  async api(
    method: string,
    route: string,
    body?: unknown,
    username = "admin",
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.config.publicUrl}/api/v1/${route}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.identity.issueToken({ username, resource: "api" })}`,
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text ? (JSON.parse(text) as Record<string, unknown>) : {} };
  }

  /** As the owner of the database. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.postgres.ownerUrl });
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** `tools`: those that it has shown already, so that a call of them is all that its agent hears of. */
  async applyTarget(
    name: string,
    tools: readonly FakeTool[] = TOOLS,
    commands: readonly object[] = [],
  ): Promise<void> {
    const { status, body } = await this.api("PUT", `targets/${name}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name },
      spec: {
        agentGroup: "lab",
        commands,
        transport: { stdio: { command: "/bin/true", environment: { DSN: "very-secret-dsn" } } },
      },
    });
    if (status !== 200) throw new Error(`applying the target answered ${status} ${JSON.stringify(body)}`);
    await this.get(ToolPins).observe({ id: String(body["id"]), name }, tools.map(toolFromTarget));
  }

  async applyPolicy(source: string): Promise<void> {
    const name = /name: ([a-z-]+)/.exec(source)?.[1];
    const { status, body } = await this.api("PUT", `policies/${name}`, { source });
    if (status !== 200) throw new Error(`applying the policy answered ${status} ${JSON.stringify(body)}`);
  }
}

function lastMessageIn(text: string, type: string | null): string {
  if (type === "text/event-stream") return eventsIn(text).at(-1)?.data ?? "";
  return type?.startsWith("application/json") ? text : "";
}

export interface TestEvent {
  readonly id: string | undefined;
  readonly data: string;
}

/** The events of an event stream as far as it has come, without comments. */
export function eventsIn(text: string): TestEvent[] {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n").slice(0, -1);
  return blocks
    .filter((block) => /^data:/m.test(block))
    .map((block) => ({
      id: /^id: (.*)$/m.exec(block)?.[1],
      data: [...block.matchAll(/^data: ?(.*)$/gm)].map(([, line]) => line).join("\n"),
    }));
}

export function initializeRequest(id: string | number = 1, protocolVersion = "2025-11-25") {
  return {
    jsonrpc: "2.0",
    id,
    method: "initialize",
    params: { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } },
  };
}
