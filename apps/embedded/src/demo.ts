import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type EmbeddedPostgres, newShopPassword, seedShop } from "@drawbridge/embedded";
import type { AllowList } from "./agent.js";
import { demoPolicies, demoTargets } from "./documents.js";
import { type Home, keptSecret } from "./home.js";
import { programs } from "./programs.js";
import type { RestApi } from "./rest-api.js";
import { type Service, eventually, startService } from "./service.js";

const READY_WITHIN_MS = 30_000;

/** What the demo's targets need to know of this machine; fills in deploy/demo/targets. */
export interface DemoValues {
  NODE: string;
  DBHUB: string;
  SHOP_DSN: string;
  FILESYSTEM_SERVER: string;
  DEMO_FILES: string;
  EVERYTHING_URL: string;
}

/** Makes the shop and the sample files; what is there already stays. */
export async function prepareDemoData(
  home: Home,
  postgres: EmbeddedPostgres,
  port: number,
): Promise<DemoValues> {
  const password = await keptSecret(home.shopPasswordFile, newShopPassword);
  const { dsn } = await seedShop(postgres.superuserUrl, password);
  await writeDemoFiles(home.demoFiles);
  return {
    NODE: programs.node,
    DBHUB: programs.dbhub,
    SHOP_DSN: dsn,
    FILESYSTEM_SERVER: programs.filesystemServer,
    DEMO_FILES: home.demoFiles,
    EVERYTHING_URL: `http://127.0.0.1:${port}/mcp`,
  };
}

/** Exactly the demo's targets and nothing else. */
export function demoAllowList(values: DemoValues): AllowList {
  return {
    commands: [
      { command: values.NODE, arguments: [values.DBHUB, "--transport", "stdio"], environment: ["DSN"] },
      { command: values.NODE, arguments: [values.FILESYSTEM_SERVER, values.DEMO_FILES] },
    ],
    urls: [values.EVERYTHING_URL],
  };
}

/** Registers targets at every start, because they name places of this machine; policies only where there is none. */
export async function applyDemoDocuments(api: RestApi, values: DemoValues): Promise<void> {
  for (const { name, document } of await demoTargets({ ...values }))
    await api.put(`/targets/${name}`, document);
  for (const { name, source } of await demoPolicies()) {
    if ((await api.get(`/policies/${name}`)) === undefined) await api.put(`/policies/${name}`, { source });
  }
}

/** Starts the demo's HTTP target, which would otherwise listen on every interface. */
export async function startEverything(
  home: Home,
  port: number,
  say: (text: string) => void,
): Promise<Service> {
  const args = ["--import", programs.loopbackOnly, programs.everythingServer, "streamableHttp"];
  const env = { PATH: "/usr/bin:/bin", HOME: home.directory, PORT: String(port) };
  return startService({ name: "everything", command: programs.node, args, env, say }, home, () =>
    eventually("the start of the demo's HTTP target", READY_WITHIN_MS, async () => {
      // Any answer will do: it has no session of ours.
      const response = await fetch(`http://127.0.0.1:${port}/mcp`, { signal: AbortSignal.timeout(2_000) });
      await response.body?.cancel();
      return true;
    }),
  );
}

async function writeDemoFiles(directory: string): Promise<void> {
  await mkdir(path.join(directory, "notes"), { recursive: true, mode: 0o700 });
  const files: Record<string, string> = {
    "welcome.md": "# Welcome\n\nYou read this through Drawbridge. Somebody can replay that you did.\n",
    "notes/release.md": "# Release\n\n1. Tag\n2. Build\n3. Tell people\n",
    "notes/deploy.env": `# A made-up key: watch what the other side sees of it.\nAPI_TOKEN=ghp_${randomBytes(18).toString("hex")}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(directory, name), content, { flag: "wx", mode: 0o600 }).catch(
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      },
    );
  }
}
