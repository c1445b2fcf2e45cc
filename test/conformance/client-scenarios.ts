import http from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { freePort } from "@drawbridge/testing";
import { programs, root } from "../e2e/programs.js";
import { ALLOWED_DIFFERENCES } from "./allow-list.js";
import { type AllowedDifference, type Difference, findDifferences, sortOut } from "./differences.js";
import { Governed } from "./governed.js";
import type { Revision } from "./revisions.js";
import { Shim } from "./shim.js";
import { type SuiteResult, testClient } from "./suite.js";

/** The scenarios for clients that are not about authorization: there the gateway is the resource server itself. */
export const CLIENT_SCENARIOS: readonly { revision: Revision; scenarios: readonly string[] }[] = [
  {
    revision: "2025-11-25",
    scenarios: [
      "initialize",
      "tools_call",
      "elicitation-sep1034-client-defaults",
      "sse-retry",
      "json-schema-2020-12-preservation",
    ],
  },
  {
    revision: "2026-07-28",
    scenarios: [
      "tools_call",
      "request-metadata",
      "sep-2322-client-request-state",
      "http-standard-headers",
      "http-custom-headers",
      "http-invalid-tool-headers",
      "json-schema-ref-no-deref",
      "json-schema-2020-12-preservation",
    ],
  },
];

const COMMAND = [
  programs.node,
  "--import",
  path.join(root, "libs/embedded/src/run-from-source.mjs"),
  path.join(root, "test/conformance/client/client.main.ts"),
].join(" ");

/** One scenario, with the client connected directly and through Drawbridge. */
export interface ClientResult {
  readonly revision: Revision;
  readonly scenario: string;
  readonly passed: number;
  readonly failed: number;
  readonly differences: readonly Difference[];
  readonly allowed: readonly AllowedDifference[];
}

export interface ClientOptions {
  readonly revisions: readonly Revision[];
  readonly say?: ((line: string) => void) | undefined;
}

/** Runs the suite's scenarios for clients: each time a server of the suite is the target, and our client asks it. */
export async function runClientScenarios({
  revisions,
  say = () => undefined,
}: ClientOptions): Promise<ClientResult[]> {
  const port = await freePort();
  // The suite's servers listen where they like; the agent's configuration names what it may reach before it starts.
  const governed = await Governed.start({ urls: [`http://127.0.0.1:${port}/*`] });
  const doorkeeper = await Doorkeeper.start(governed, port);
  try {
    const results: ClientResult[] = [];
    for (const { revision, scenarios } of CLIENT_SCENARIOS) {
      if (!revisions.includes(revision)) continue;
      for (const scenario of scenarios) {
        say(`${revision}: client scenario ${scenario}`);
        results.push(await runScenario({ revision, scenario, doorkeeper }));
      }
    }
    return results;
  } finally {
    await doorkeeper.stop();
    await governed.stop();
  }
}

async function runScenario({
  revision,
  scenario,
  doorkeeper,
}: {
  revision: Revision;
  scenario: string;
  doorkeeper: Doorkeeper;
}): Promise<ClientResult> {
  const run = (environment: Record<string, string>): Promise<SuiteResult> =>
    testClient({ command: COMMAND, scenario, revision, environment });
  const direct = await run({});
  const through = await run({ CONFORMANCE_DOORKEEPER: doorkeeper.url });
  const count = (status: string) => through.checks.filter((check) => check.status === status).length;
  return {
    revision,
    scenario,
    passed: count("SUCCESS"),
    failed: count("FAILURE"),
    ...sortOut(
      findDifferences(direct.checks, through.checks),
      { side: "client", revision },
      ALLOWED_DIFFERENCES,
    ),
  };
}

/** Makes a target of any URL it is given, and says where a client finds it. */
class Doorkeeper {
  readonly #governed: Governed;
  readonly #relay: Shim;
  readonly #upstreams: Map<string, URL>;
  readonly #server = http.createServer((request, response) => {
    this.#open(request).then(
      (url) => response.end(url),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });

  private constructor(
    governed: Governed,
    { relay, upstreams }: { relay: Shim; upstreams: Map<string, URL> },
  ) {
    this.#governed = governed;
    this.#relay = relay;
    this.#upstreams = upstreams;
  }

  /** `port`: where the agent reaches all the targets. */
  static async start(governed: Governed, port: number): Promise<Doorkeeper> {
    const upstreams = new Map<string, URL>();
    const relay = await Shim.start({ port, upstream: (asked) => upstreams.get(asked) });
    const doorkeeper = new Doorkeeper(governed, { relay, upstreams });
    doorkeeper.#server.listen(0, "127.0.0.1");
    await once(doorkeeper.#server, "listening");
    return doorkeeper;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    await this.#relay.stop();
  }

  async #open(request: http.IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const name = `scenario-${this.#upstreams.size + 1}`;
    this.#upstreams.set(`/${name}`, new URL(Buffer.concat(chunks).toString("utf8")));
    await this.#governed.applyTarget(name, { http: { url: `${this.#relay.origin}/${name}` } });
    return this.#governed.urlOf(name);
  }
}
