import path from "node:path";
import { parseArgs } from "node:util";

export const USAGE = `Usage: npm start -- [options]

Runs all of Drawbridge on this machine: PostgreSQL, an identity provider, the control plane, an agent and demo targets.

  --port N     the control plane's port (default 8080)
  --no-demo    no demo targets and no demo users but admin
  --reset      remove all data of earlier starts first
  --help       show this

Data is kept in .drawbridge in this folder; DRAWBRIDGE_HOME names another place.
Ports on 127.0.0.1: 8080 (control plane), 8443 (agents), 8082 (identity provider), 8083 (a demo target);
with --port N: N, N+1, N+2 and N+3.
`;

export interface Ports {
  controlPlane: number;
  agents: number;
  identity: number;
  everything: number;
}

export interface Options {
  help: boolean;
  reset: boolean;
  demo: boolean;
  ports: Ports;
  /** Absolute. Everything that lasts is in it. */
  home: string;
}

/** @throws an error for people when an option is not known or not valid */
export function parseOptions(args: readonly string[], environment: NodeJS.ProcessEnv, root: string): Options {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowNegative: true,
    options: {
      port: { type: "string" },
      demo: { type: "boolean", default: true },
      reset: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const home = path.resolve(environment["DRAWBRIDGE_HOME"] ?? path.join(root, ".drawbridge"));
  return { help: values.help, reset: values.reset, demo: values.demo, ports: portsFrom(values.port), home };
}

function portsFrom(text: string | undefined): Ports {
  if (text === undefined) return { controlPlane: 8080, agents: 8443, identity: 8082, everything: 8083 };
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1024 || port > 65_532) {
    throw new Error(`--port ${text}: use a number from 1024 to 65532`);
  }
  return { controlPlane: port, agents: port + 1, identity: port + 2, everything: port + 3 };
}
