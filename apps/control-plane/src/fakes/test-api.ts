import type { AddressInfo } from "node:net";
import type { Type } from "@nestjs/common";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { Test } from "@nestjs/testing";
import type { Role } from "@drawbridge/contracts";
import { CONFIG } from "../config.js";
import { prepareApi } from "../platform/api.js";
import { TestJobs } from "../platform/fakes/test-jobs.js";
import type { TestPlatform } from "../platform/fakes/test-platform.js";
import { Jobs, Messages } from "../platform/jobs.js";
import { IdentityModule, type Principal, TokenError, TokenVerifier } from "../identity/index.js";

// There is one replica in a test.
const nobodyElse = () => Promise.resolve();

/** Knows people by a token that is their name. */
class TestTokens {
  private readonly people = new Map<string, Principal>();

  add(name: string, ...roles: Role[]): void {
    this.set(name, { roles: ["user", ...roles] });
  }

  /** With a token that says this of them. The last one set counts. */
  set(name: string, said: Partial<Principal>): void {
    this.people.set(`Bearer ${name}`, {
      id: name,
      email: undefined,
      groups: [],
      identities: [`sub:${name}`],
      isMachine: false,
      client: "cli",
      roles: ["user"],
      expiresAt: new Date(Date.now() + 3_600_000),
      signedInAt: undefined,
      ...said,
    });
  }

  verify(authorization: string | undefined): Promise<Principal> {
    const principal = this.people.get(authorization ?? "");
    if (!principal) return Promise.reject(new TokenError("missing", "a bearer token is needed"));
    return Promise.resolve(principal);
  }
}

export interface TestApi {
  readonly app: NestExpressApplication;
  readonly tokens: TestTokens;
  readonly jobs: TestJobs;
  /** Sends a request as somebody. */
  fetch(as: string, path: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

/** The REST API of some modules, as the control plane serves it but for the identity provider and the job queue. */
export async function startTestApi(
  platform: TestPlatform,
  parts: {
    imports?: Type[];
    controllers?: Type[];
    /** What takes the place of a provider. */
    instead?: readonly (readonly [provider: unknown, value: unknown])[];
  },
): Promise<TestApi> {
  const tokens = new TestTokens();
  const jobs = new TestJobs();
  const { imports = [], controllers = [], instead = [] } = parts;
  const building = Test.createTestingModule({ imports: [IdentityModule, ...imports], controllers });
  for (const [provider, value] of instead) building.overrideProvider(provider).useValue(value);
  const module = await building
    .overrideProvider(CONFIG)
    .useValue(platform.config)
    .overrideProvider(TokenVerifier)
    .useValue(tokens)
    .overrideProvider(Jobs)
    .useValue(jobs)
    .overrideProvider(Messages)
    .useValue({ publish: nobodyElse, subscribe: nobodyElse })
    .compile();
  const app = module.createNestApplication<NestExpressApplication>({ bodyParser: false, logger: false });
  prepareApi(app);
  await app.listen(0, "127.0.0.1");
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    app,
    tokens,
    jobs,
    fetch: (as, path, init = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${as}` },
      }),
    stop: () => app.close(),
  };
}
