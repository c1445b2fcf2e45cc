import path from "node:path";
import { GOVERNED_METHODS } from "@drawbridge/policy";
import { freePort } from "@drawbridge/testing";
import { stringify } from "yaml";
import { programs, root } from "../e2e/programs.js";
import { type AllowList, System } from "../e2e/system.js";
import { type HeaderList, Shim } from "./shim.js";

/** What the agent of `System` belongs to. */
const AGENT_GROUP = "lab";
const PRINCIPAL = "alice";
const GROUP = "engineering";
/** Far less than the ten minutes a token of the test provider is valid. */
const TOKEN_LASTS_MS = 120_000;

/** The fixture's own command over stdio, from its sources, so that no build is in the way. */
export const FIXTURE_COMMAND: readonly [string, ...string[]] = [
  programs.node,
  "--import",
  path.join(root, "libs/embedded/src/run-from-source.mjs"),
  path.join(root, "test/conformance/fixture/stdio.main.ts"),
];

/** A header bug of an intermediary, planted in front of Drawbridge to see that the comparison finds it. */
export const PLANTED_BUGS = {
  /** As if the gateway wrote the headers anew from the body: what does not fit together is never noticed. */
  "regenerated-method": (headers: HeaderList, body: Buffer): HeaderList => {
    const method = methodIn(body);
    return headers.map(([name, value]) =>
      name.toLowerCase() === "mcp-method" && method !== undefined ? [name, method] : [name, value],
    );
  },
  /** As if the gateway lost it. */
  "lost-name": (headers: HeaderList): HeaderList =>
    headers.filter(([name]) => name.toLowerCase() !== "mcp-name"),
} as const;
export type PlantedBug = keyof typeof PLANTED_BUGS;

/** How the agent reaches a target, as its document says it. */
export type Reached =
  | { readonly stdio: { readonly command: string; readonly arguments: readonly string[] } }
  | { readonly http: { readonly url: string } }
  | { readonly sse: { readonly url: string } };

/**
 * A whole Drawbridge with masking on, and a policy that allows every method, in front of targets. The suite reaches it
 * through a shim, because it cannot send a token.
 */
export class Governed {
  readonly system: System;
  readonly shim: Shim;
  /** Planted in front of Drawbridge from now on. */
  bug: PlantedBug | undefined;

  private constructor(system: System, shim: Shim) {
    this.system = system;
    this.shim = shim;
  }

  static async start(allow: AllowList, bug?: PlantedBug): Promise<Governed> {
    const port = await freePort();
    const host = `127.0.0.1:${port}`;
    const system = await System.start({
      allow,
      settings: {
        // So that a client has to come back for the answer to a call of three seconds.
        DRAWBRIDGE_STREAM_SECONDS: "1",
        // The suite sends the Host of the shim, and an Origin made from it.
        DRAWBRIDGE_ALLOWED_HOSTS: host,
        DRAWBRIDGE_ALLOWED_ORIGINS: `http://${host}`,
      },
    });
    try {
      const token = tokenOf(system);
      const shim = await Shim.start({
        port,
        upstream: (asked) => new URL(asked, system.publicUrl),
        headers: async (headers, body) => [
          ...governed.#planted(headers, body),
          ["Authorization", `Bearer ${await token()}`],
        ],
      });
      const governed = new Governed(system, shim);
      governed.bug = bug;
      return governed;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  #planted(headers: HeaderList, body: Buffer): HeaderList {
    return this.bug === undefined ? headers : PLANTED_BUGS[this.bug](headers, body);
  }

  /** Where a client finds the target, through the shim. */
  urlOf(target: string): string {
    return `${this.shim.origin}/mcp/${target}`;
  }

  async applyTarget(name: string, transport: Reached): Promise<void> {
    await this.system.api().demand("PUT", `targets/${name}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name },
      spec: { agentGroup: AGENT_GROUP, transport },
    });
    const source = stringify({
      apiVersion: "drawbridge/v1",
      kind: "Policy",
      metadata: { name },
      spec: {
        targets: { names: [name] },
        subjects: { groups: [GROUP] },
        access: { mode: "standing" },
        rules: RULES,
      },
    });
    await this.system.api().demand("PUT", `policies/${name}`, { source });
  }

  async stop(): Promise<void> {
    await this.shim.stop();
    await this.system.stop();
  }
}

/** Everything of every kind: methods with names of tools, resources and prompts, and those without. */
const RULES = ["tools", "resources", "prompts", "none"].map((list) => ({
  name: list === "none" ? "others" : list,
  methods: Object.entries(GOVERNED_METHODS).flatMap(([method, names]) => (names === list ? [method] : [])),
  ...(list === "none" ? {} : { [list]: ["*"] }),
  effect: "allow",
}));

function tokenOf(system: System): () => Promise<string> {
  let current: { readonly token: Promise<string>; readonly until: number } | undefined;
  return () => {
    if (current === undefined || current.until < Date.now()) {
      const token = system.identity.issueToken({ username: PRINCIPAL, resource: "mcp" });
      current = { token, until: Date.now() + TOKEN_LASTS_MS };
    }
    return current.token;
  };
}

function methodIn(body: Buffer): string | undefined {
  try {
    return (JSON.parse(body.toString("utf8")) as { method?: string }).method;
  } catch {
    return undefined;
  }
}
