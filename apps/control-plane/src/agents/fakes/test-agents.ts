import type { INestApplicationContext } from "@nestjs/common";
import { Test } from "@nestjs/testing";
import { CONFIG, type Config } from "../../config.js";
import type { Principal } from "../../identity/index.js";
import { type TestPlatform } from "../../platform/fakes/test-platform.js";
import { AgentGrpcServer } from "../agent-grpc-server.js";
import { AgentLinks } from "../agent-links.js";
import { AgentsModule } from "../agents.module.js";
import { CertificateAuthority } from "../certificate-authority.js";
import { JoinTokensService } from "../join-tokens.service.js";
import { DEFAULT_TIMINGS, LINK_TIMINGS, type LinkTimings } from "../link-timings.js";
import { FakeAgent } from "./fake-agent.js";

export const ADMIN: Principal = {
  id: "ada",
  email: "ada@example.test",
  groups: ["admins"],
  identities: ["sub:ada", "email:ada@example.test"],
  isMachine: false,
  client: "cli",
  roles: ["user", "admin"],
  expiresAt: new Date("2099-01-01T00:00:00Z"),
  signedInAt: undefined,
};

/** Short enough for a test, long enough for a loaded machine. */
export const SHORT_TIMINGS: LinkTimings = {
  ...DEFAULT_TIMINGS,
  permission: 1_500,
  slack: 300,
  firstFrame: 500,
  attach: 1_500,
  handover: 300,
  sweep: 100,
};

/** One replica of the control plane, as far as agents are concerned. */
export interface TestAgents {
  readonly app: INestApplicationContext;
  readonly links: AgentLinks;
  /** host:port of the agents' listener. */
  readonly address: string;
  bundle(): Promise<string>;
  /** A token without its fingerprint, as an agent sends it. */
  token(group: string, name?: string): Promise<string>;
  join(group: string, name?: string): Promise<FakeAgent>;
  stop(): Promise<void>;
}

export async function startTestAgents(
  platform: TestPlatform,
  timings: LinkTimings = SHORT_TIMINGS,
  settings: Partial<Config> = {},
): Promise<TestAgents> {
  const config = { ...platform.config, agentListen: { host: "127.0.0.1", port: 0 }, ...settings };
  const module = await Test.createTestingModule({ imports: [AgentsModule] })
    .overrideProvider(CONFIG)
    .useValue(config)
    .overrideProvider(LINK_TIMINGS)
    .useValue(timings)
    .compile();
  module.useLogger(false);
  const app = await module.init();
  const authority = app.get(CertificateAuthority);
  const address = `127.0.0.1:${app.get(AgentGrpcServer).address.port}`;
  const agents: FakeAgent[] = [];
  const token = async (group: string, name?: string) => {
    const request = { group, expiresInSeconds: 600, ...(name === undefined ? {} : { name }) };
    const { token: whole } = await app.get(JoinTokensService).create(ADMIN, request);
    return whole.slice(0, whole.lastIndexOf("."));
  };
  return {
    app,
    links: app.get(AgentLinks),
    address,
    bundle: () => authority.bundle(),
    token,
    join: async (group, name) => {
      const agent = await FakeAgent.join(address, await authority.bundle(), await token(group, name));
      agents.push(agent);
      return agent;
    },
    stop: async () => {
      for (const agent of agents) agent.close();
      await app.close();
    },
  };
}
