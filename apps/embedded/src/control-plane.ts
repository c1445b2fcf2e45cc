import path from "node:path";
import type { EmbeddedPostgres } from "@drawbridge/embedded";
import type { Home } from "./home.js";
import type { Ports } from "./options.js";
import { programs } from "./programs.js";
import { type Service, eventually, startService } from "./service.js";

export interface ControlPlaneSettings {
  home: Home;
  ports: Ports;
  publicUrl: string;
  postgres: EmbeddedPostgres;
  oidcIssuer: string;
  oidcClientId: string;
  say: (text: string) => void;
}

const READY_WITHIN_MS = 90_000;

/** Starts the control plane with the settings an operator would give it, and waits until it could record a call. */
export async function startControlPlane(settings: ControlPlaneSettings): Promise<Service> {
  const { home, publicUrl, say } = settings;
  const env = controlPlaneEnvironment(settings);
  const args = [programs.controlPlane];
  return startService({ name: "control-plane", command: programs.node, args, env, say }, home, () =>
    eventually("the start of the control plane", READY_WITHIN_MS, async () => {
      const response = await fetch(`${publicUrl}/healthz`, { signal: AbortSignal.timeout(2_000) });
      await response.body?.cancel();
      return response.ok || undefined;
    }),
  );
}

/** Exactly the settings of docs/operating.md: the embedded form has no others. */
function controlPlaneEnvironment(settings: ControlPlaneSettings): Record<string, string> {
  const { home, ports, postgres } = settings;
  return {
    PATH: `${path.dirname(programs.node)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home.directory,
    NODE_ENV: "production",
    DATABASE_URL: postgres.appUrl,
    DRAWBRIDGE_MIGRATION_DATABASE_URL: postgres.ownerUrl,
    DRAWBRIDGE_PUBLIC_URL: settings.publicUrl,
    DRAWBRIDGE_LISTEN: `127.0.0.1:${ports.controlPlane}`,
    DRAWBRIDGE_AGENT_LISTEN: `127.0.0.1:${ports.agents}`,
    DRAWBRIDGE_KEK_FILE: home.kekFile,
    DRAWBRIDGE_ADMIN_GROUPS: "admins",
    DRAWBRIDGE_OPERATOR_GROUPS: "admins",
    DRAWBRIDGE_APPROVER_GROUPS: "dba",
    DRAWBRIDGE_AUDITOR_GROUPS: "admins",
    OIDC_ISSUER: settings.oidcIssuer,
    OIDC_CLIENT_ID: settings.oidcClientId,
  };
}
