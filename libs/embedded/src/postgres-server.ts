import path from "node:path";
import { type GuardedChild, spawnGuarded } from "./guarded-child.js";
import { type Cluster, postgresEnvironment } from "./postgres-cluster.js";
import { clusterName } from "./postgres-leftovers.js";

/** The port was taken between the moment we looked and the moment Postgres listened. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";
  readonly port: number;

  constructor(port: number) {
    super(`port ${port} of 127.0.0.1 is taken by another program; stop it or choose another port`);
    this.port = port;
  }
}

const READY = "database system is ready to accept connections";
/** Crash recovery of a demo's database takes seconds; a minute means that something is wrong. */
const READY_WITHIN_MS = 60_000;

/** Starts the server once and resolves when it accepts connections. */
export async function startServer(cluster: Cluster, log: (line: string) => void): Promise<GuardedChild> {
  const last: string[] = [];
  const ready = Promise.withResolvers<"ready">();
  const child = await spawnGuarded({
    command: path.join(cluster.placement.nativeDirectory, "bin", "postgres"),
    args: ["-D", cluster.placement.dataDirectory, ...serverSettings(cluster)],
    env: postgresEnvironment(),
    cwd: "/",
    stopSignal: "INT", // a fast shutdown: open sessions are ended, nothing is lost
    account: cluster.placement.account,
    onLine: (line) => {
      log(line);
      last.push(line);
      if (last.length > 20) last.shift();
      if (line.includes(READY)) ready.resolve("ready");
    },
  });
  const timeout = Promise.withResolvers<"timeout">();
  const timer = setTimeout(() => timeout.resolve("timeout"), READY_WITHIN_MS);
  const outcome = await Promise.race([ready.promise, timeout.promise, child.exited]);
  clearTimeout(timer);
  if (outcome === "ready") return child;
  await child.stop(5_000);
  const output = last.join("\n");
  if (output.includes("Address already in use")) throw new PortTakenError(cluster.settings.port);
  throw new Error(`Postgres did not start:\n${output}`);
}

function serverSettings({ settings }: Cluster): string[] {
  const values: Record<string, string | number> = {
    cluster_name: clusterName(settings.dataDirectory),
    listen_addresses: "127.0.0.1",
    port: settings.port,
    unix_socket_directories: "",
    password_encryption: "scram-sha-256",
    max_connections: 100,
    shared_buffers: "64MB",
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    timezone: "UTC",
    log_timezone: "UTC",
    logging_collector: "off",
    log_destination: "stderr",
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
