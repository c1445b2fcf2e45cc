import { createWriteStream } from "node:fs";
import path from "node:path";
import {
  DEMO_USERS,
  type EmbeddedPostgres,
  type IdentityProvider,
  startIdentityProvider,
  startPostgres,
} from "@drawbridge/embedded";
import { startAgent } from "./agent.js";
import { startControlPlane } from "./control-plane.js";
import { applyDemoDocuments, demoAllowList, prepareDemoData, startEverything } from "./demo.js";
import { callTool, newestRecording } from "./governed-call.js";
import { type Home, keptSecret, newKeyEncryptionKey, openHome, resetHome } from "./home.js";
import { stopLeftoverChildren } from "./leftovers.js";
import type { Options } from "./options.js";
import type { Progress } from "./progress.js";
import { RestApi } from "./rest-api.js";
import type { Shutdown } from "./shutdown.js";
import { takeStartLock } from "./start-lock.js";
import { requireFreePorts } from "./taken-port.js";
import { whatNext } from "./what-next.js";

/** Starts everything in order, makes one governed call, and returns what to tell people. */
export async function launch(options: Options, progress: Progress, shutdown: Shutdown): Promise<string> {
  const { ports, demo } = options;
  const publicUrl = `http://127.0.0.1:${ports.controlPlane}`;
  const say = (text: string): void => progress.say(text);

  const home = await openHome(options.home);
  shutdown.add({ name: "the lock", stop: await takeStartLock(home.lockFile) });
  const leftovers = await stopLeftoverChildren(home.running);
  if (leftovers.length > 0) say(`stopped what an earlier start left running: ${leftovers.join(", ")}`);
  if (options.reset) await progress.step("remove earlier data", () => resetHome(home));
  await requireFreePorts(ports);
  await keptSecret(home.kekFile, newKeyEncryptionKey);

  const postgres = await progress.step(
    "PostgreSQL",
    () => launchPostgres(home, say),
    ({ port }) => `127.0.0.1:${port}`,
  );
  shutdown.add({ name: "PostgreSQL", stop: () => postgres.stop() });

  const identity = await progress.step(
    "identity provider",
    () => launchIdentity(home, options, publicUrl),
    ({ issuer }) => issuer,
  );
  shutdown.add({ name: "the identity provider", stop: () => identity.stop() });

  const controlPlane = await progress.step(
    "control plane",
    () =>
      startControlPlane({
        home,
        ports,
        publicUrl,
        postgres,
        say,
        oidcIssuer: identity.issuer,
        oidcClientId: "drawbridge-cli",
      }),
    () => publicUrl,
  );
  shutdown.add({ name: "the control plane", ...controlPlane });

  const api = apiAs(identity, publicUrl, "admin");
  const values = demo
    ? await progress.step("demo data", () => prepareDemoData(home, postgres, ports.everything))
    : undefined;
  if (demo) {
    const everything = await progress.step("demo target over HTTP", () =>
      startEverything(home, ports.everything, say),
    );
    shutdown.add({ name: "the demo target", ...everything });
  }

  const allow = values === undefined ? { commands: [], urls: [] } : demoAllowList(values);
  const agent = await progress.step("agent", () =>
    startAgent({ home, controlPlane: `127.0.0.1:${ports.agents}`, api, allow, say }),
  );
  shutdown.add({ name: "the agent", ...agent });

  if (values === undefined) return whatNext({ publicUrl, issuer: identity.issuer, demo });
  await progress.step("targets and policies", () => applyDemoDocuments(api, values));
  const call = await progress.step("one governed call", () => governedCall(identity, publicUrl));
  return whatNext({ publicUrl, issuer: identity.issuer, demo, call });
}

async function launchPostgres(home: Home, say: (text: string) => void): Promise<EmbeddedPostgres> {
  const log = createWriteStream(path.join(home.logs, "postgres.log"), { flags: "a", mode: 0o600 });
  log.on("error", () => {}); // a full disk must not end the demo
  const postgres = await startPostgres({ directory: home.postgres, log: (line) => log.write(`${line}\n`) });
  postgres.events.on("died", (code) => say(`PostgreSQL ended with code ${code}; starting it again`));
  postgres.events.on("restarted", () => say("PostgreSQL runs again"));
  postgres.events.on("restartFailed", (error) => say(`PostgreSQL did not start: ${error.message}`));
  return postgres;
}

function launchIdentity(home: Home, { demo, ports }: Options, publicUrl: string): Promise<IdentityProvider> {
  const users = demo ? DEMO_USERS : DEMO_USERS.filter(({ groups }) => groups.includes("admins"));
  return startIdentityProvider({ port: ports.identity, publicUrl, users, directory: home.identity });
}

function apiAs(identity: IdentityProvider, publicUrl: string, username: string): RestApi {
  return new RestApi(publicUrl, () => identity.issueToken({ username, resource: "api" }));
}

async function governedCall(
  identity: IdentityProvider,
  publicUrl: string,
): Promise<{ answer: string; recordingId: string | undefined }> {
  const answer = await callTool({
    publicUrl,
    target: "shop",
    token: await identity.issueToken({ username: "alice", resource: "mcp" }),
    tool: "execute_sql",
    arguments: { sql: "select * from customers limit 3" },
  });
  return { answer, recordingId: await newestRecording(apiAs(identity, publicUrl, "alice"), "shop") };
}
