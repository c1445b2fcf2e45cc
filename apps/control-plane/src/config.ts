import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const HostPort = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, "use host:port")
  .transform((text) => {
    const colon = text.lastIndexOf(":");
    return { host: text.slice(0, colon).replaceAll(/[[\]]/g, ""), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "the port is at most 65535");
export type HostPort = z.infer<typeof HostPort>;

const List = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean),
  );

const PublicUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ""));

const PostgresUrl = z.url({
  protocol: /^postgres(?:ql)?$/,
  error: "use postgresql://user:password@host:port/database",
});

/** Every setting there is. docs/operating.md explains each; a test holds the two together. */
export const Settings = z.strictObject({
  DATABASE_URL: PostgresUrl,
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  OIDC_ISSUER: z.url({ protocol: /^https?$/ }),
  OIDC_CLIENT_ID: z.string().min(1),
  OIDC_GROUPS_CLAIM: z.string().min(1).default("groups"),
  OIDC_PERSON_CLAIM: z.string().min(1).default("person"),
  OIDC_OWNER_CLAIM: z.string().min(1).default("owner"),
  OIDC_MCP_AUDIENCE: z.string().min(1).optional(),
  OIDC_API_AUDIENCE: z.string().min(1).optional(),
  DRAWBRIDGE_PUBLIC_URL: PublicUrl,
  DRAWBRIDGE_MIGRATION_DATABASE_URL: PostgresUrl.optional(),
  DRAWBRIDGE_LISTEN: HostPort.prefault("127.0.0.1:8080"),
  DRAWBRIDGE_AGENT_LISTEN: HostPort.prefault("127.0.0.1:8443"),
  DRAWBRIDGE_AGENT_ADDRESS: HostPort.optional(),
  DRAWBRIDGE_KEK_FILE: z.string().min(1),
  DRAWBRIDGE_ALLOWED_ORIGINS: List,
  DRAWBRIDGE_ALLOWED_HOSTS: List,
  DRAWBRIDGE_ADMIN_GROUPS: List,
  DRAWBRIDGE_OPERATOR_GROUPS: List,
  DRAWBRIDGE_APPROVER_GROUPS: List,
  DRAWBRIDGE_AUDITOR_GROUPS: List,
  DRAWBRIDGE_SESSION_IDLE_MINUTES: z.coerce.number().int().min(1).max(10_080).default(60),
  DRAWBRIDGE_MAX_MESSAGE_BYTES: z.coerce.number().int().min(65_536).max(67_108_864).default(16_777_216),
  // One principal may hold half of it, so that at least two of the largest messages fit.
  DRAWBRIDGE_MAX_HELD_BYTES: z.coerce.number().int().min(134_217_728).default(536_870_912),
  DRAWBRIDGE_MAX_CONNECTIONS: z.coerce.number().int().min(16).max(1_000_000).default(10_000),
  // Clients, as they call themselves, whose calls wait for as long as they are told of progress.
  DRAWBRIDGE_PATIENT_CLIENTS: z
    .string()
    .default("claude-code,opencode,librechat")
    .transform((text) =>
      text
        .split(",")
        .map((item) => item.trim().toLowerCase())
        .filter(Boolean),
    ),
  DRAWBRIDGE_MAX_HOLD_SECONDS: z.coerce.number().int().min(60).max(86_400).default(900),
  DRAWBRIDGE_STREAM_SECONDS: z.coerce.number().int().min(0).max(86_400).default(0),
  DRAWBRIDGE_NOTIFY_ALLOW: List.pipe(
    z.array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9.:-]+(?:\/\d{1,3})?$/,
          "use host names, addresses, or networks such as 10.1.0.0/16",
        ),
    ),
  ),
  DRAWBRIDGE_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

export interface Config {
  readonly databaseUrl: string;
  readonly migrationDatabaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly publicUrl: string;
  readonly listen: HostPort;
  readonly agentListen: HostPort;
  readonly agentAddress: HostPort;
  readonly keyEncryptionKeyFile: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly oidc: {
    readonly issuer: string;
    readonly clientId: string;
    readonly groupsClaim: string;
    /** Names the person, whichever account they use. */
    readonly personClaim: string;
    /** Of a program's own token: whose it is. */
    readonly ownerClaim: string;
    readonly mcpAudience: string;
    readonly apiAudience: string;
  };
  readonly groupsOf: Readonly<Record<"admin" | "operator" | "approver" | "auditor", readonly string[]>>;
  readonly sessionIdleMs: number;
  readonly maxMessageBytes: number;
  /** Of requests that are under way, in all. */
  readonly maxHeldBytes: number;
  /** Of HTTP; more are closed as they come. */
  readonly maxConnections: number;
  /** What clients call themselves, in lower case, that wait for as long as they hear of progress. */
  readonly patientClients: readonly string[];
  /** The longest that one request of such a client waits for an approval. */
  readonly maxHoldMs: number;
  /** After so long the event stream of a 2025-11-25 call is closed and its client comes back for the rest. 0: never. */
  readonly streamSeconds: number;
  /** Hosts, addresses and networks that notifications may be sent to although they are not public. */
  readonly notifyAllow: readonly string[];
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** Injection token: `@Inject(CONFIG) config: Config`. */
export const CONFIG = Symbol("Config");

/** Wrong settings. The message lists every one of them and is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the settings once, at start: from the environment and, where `DRAWBRIDGE_CONFIG_FILE` names one, from a YAML
 * file with the same names (the environment wins). A name that starts with DRAWBRIDGE_ or OIDC_ and that nobody
 * knows is an error: a misspelt setting must not silently mean its default.
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const { DRAWBRIDGE_CONFIG_FILE: file, ...rest } = env;
  const fromEnvironment = Object.fromEntries(Object.entries(rest).filter(([name]) => isOurs(name)));
  const parsed = Settings.safeParse({ ...(file ? readSettingsFile(file) : {}), ...fromEnvironment });
  if (!parsed.success) throw new ConfigError(`invalid configuration\n${describe(parsed.error)}`);
  return toConfig(parsed.data);
}

export const configFromEnvironment = () => loadConfig(process.env);

function agentAddress({
  DRAWBRIDGE_AGENT_ADDRESS: address,
  DRAWBRIDGE_AGENT_LISTEN: listen,
}: ParsedSettings): HostPort {
  if (address) return address;
  if (listen.host !== "0.0.0.0" && listen.host !== "::") return listen;
  throw new ConfigError(
    "invalid configuration\n  DRAWBRIDGE_AGENT_ADDRESS: needed, because agents cannot dial the wildcard address of DRAWBRIDGE_AGENT_LISTEN",
  );
}

function isOurs(name: string): boolean {
  return name.startsWith("DRAWBRIDGE_") || name.startsWith("OIDC_") || name in Settings.shape;
}

function readSettingsFile(file: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError(`cannot read DRAWBRIDGE_CONFIG_FILE ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const settings = z
    .record(z.string(), z.union([z.string(), z.number().transform(String)]))
    .safeParse(content);
  if (!settings.success) {
    throw new ConfigError(`DRAWBRIDGE_CONFIG_FILE ${file} must map names of settings to texts or numbers`);
  }
  return settings.data;
}

function describe(error: z.ZodError): string {
  return error.issues
    .flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => `  ${key}: no such setting; remove it or correct its name`)
        : [`  ${issue.path.join(".")}: ${issue.message}`],
    )
    .join("\n");
}

type ParsedSettings = z.infer<typeof Settings>;

function toConfig(settings: ParsedSettings): Config {
  const publicUrl = settings.DRAWBRIDGE_PUBLIC_URL;
  const publicHost = new URL(publicUrl).host;
  return Object.freeze({
    databaseUrl: settings.DATABASE_URL,
    migrationDatabaseUrl: settings.DRAWBRIDGE_MIGRATION_DATABASE_URL ?? settings.DATABASE_URL,
    redisUrl: settings.REDIS_URL,
    publicUrl,
    listen: settings.DRAWBRIDGE_LISTEN,
    agentListen: settings.DRAWBRIDGE_AGENT_LISTEN,
    agentAddress: agentAddress(settings),
    keyEncryptionKeyFile: settings.DRAWBRIDGE_KEK_FILE,
    allowedOrigins: [new URL(publicUrl).origin, ...settings.DRAWBRIDGE_ALLOWED_ORIGINS],
    allowedHosts: [publicHost, ...settings.DRAWBRIDGE_ALLOWED_HOSTS],
    oidc: {
      issuer: settings.OIDC_ISSUER,
      clientId: settings.OIDC_CLIENT_ID,
      groupsClaim: settings.OIDC_GROUPS_CLAIM,
      personClaim: settings.OIDC_PERSON_CLAIM,
      ownerClaim: settings.OIDC_OWNER_CLAIM,
      mcpAudience: settings.OIDC_MCP_AUDIENCE ?? `${publicUrl}/mcp`,
      apiAudience: settings.OIDC_API_AUDIENCE ?? `${publicUrl}/api`,
    },
    groupsOf: {
      admin: settings.DRAWBRIDGE_ADMIN_GROUPS,
      operator: settings.DRAWBRIDGE_OPERATOR_GROUPS,
      approver: settings.DRAWBRIDGE_APPROVER_GROUPS,
      auditor: settings.DRAWBRIDGE_AUDITOR_GROUPS,
    },
    sessionIdleMs: settings.DRAWBRIDGE_SESSION_IDLE_MINUTES * 60_000,
    maxMessageBytes: settings.DRAWBRIDGE_MAX_MESSAGE_BYTES,
    maxHeldBytes: settings.DRAWBRIDGE_MAX_HELD_BYTES,
    maxConnections: settings.DRAWBRIDGE_MAX_CONNECTIONS,
    patientClients: settings.DRAWBRIDGE_PATIENT_CLIENTS,
    maxHoldMs: settings.DRAWBRIDGE_MAX_HOLD_SECONDS * 1_000,
    streamSeconds: settings.DRAWBRIDGE_STREAM_SECONDS,
    notifyAllow: settings.DRAWBRIDGE_NOTIFY_ALLOW,
    logLevel: settings.DRAWBRIDGE_LOG_LEVEL,
  });
}
