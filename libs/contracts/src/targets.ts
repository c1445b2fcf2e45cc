import { z } from "zod";
import { ResourceName, Timestamp } from "./names.js";
import { pageOf } from "./pages.js";

const withoutNul = (text: string) => !text.includes("\0");
const Text = z.string().max(4096).refine(withoutNul, "must not contain a NUL byte");

const StdioTransport = z.strictObject({
  command: Text.min(1).meta({
    description: "Absolute path, or a name on the agent's PATH; never a shell line",
  }),
  arguments: z.array(Text).max(64).default([]),
  workingDirectory: Text.optional(),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), Text).default({}),
  limits: z
    .strictObject({
      memoryMegabytes: z.number().int().min(16).max(1_048_576).optional(),
      cpuSeconds: z.number().int().min(1).max(2_147_483_647).optional(),
      openFiles: z.number().int().min(16).max(1_048_576).optional(),
      processes: z.number().int().min(1).max(1_048_576).optional(),
    })
    .optional()
    .meta({ description: "What the process and each process it starts may use" }),
});

const HttpTransport = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(2048),
  headers: z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/), Text).default({}),
});

/** How the agent reaches the target: exactly one of `stdio`, `http` (Streamable HTTP) and `sse` (HTTP+SSE of 2024-11-05). */
export const TargetTransport = z.union([
  z.strictObject({ stdio: StdioTransport }),
  z.strictObject({ http: HttpTransport }),
  z.strictObject({ sse: HttpTransport }),
]);

/** A target as an operator writes it. */
export const TargetDocument = z.strictObject({
  apiVersion: z.literal("drawbridge/v1"),
  kind: z.literal("Target"),
  metadata: z.strictObject({
    name: ResourceName,
    description: z.string().max(500).optional(),
    labels: z.record(z.string().min(1).max(63), z.string().max(63)).default({}),
  }),
  spec: z.strictObject({
    agentGroup: ResourceName,
    transport: TargetTransport,
    exchangeTimeoutSeconds: z.number().int().min(1).max(86_400).default(3600),
    idleTimeoutSeconds: z.number().int().min(1).max(86_400).default(300),
    commands: z
      .array(
        z.strictObject({
          tool: z.string().min(1).max(256),
          argument: z.string().min(1).max(256),
          dialect: z.enum(["postgresql", "mysql", "sh"]),
        }),
      )
      .default([])
      .meta({ description: "Which argument of which tool is a command, for conditions of policies" }),
  }),
});
export type TargetDocument = z.infer<typeof TargetDocument>;

/** What an operator sees. Values of environment variables and headers are never shown again. */
export const TargetView = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  agentGroup: z.string(),
  transport: z.enum(["stdio", "http", "sse"]),
  address: z.string().meta({ description: "The command or URL" }),
  online: z.boolean().meta({ description: "Whether an agent of its group is connected" }),
  protocolVersions: z
    .object({ versions: z.array(z.string()), learnedAt: Timestamp })
    .optional()
    .meta({ description: "The MCP revisions it was found to speak; absent until it was used" }),
  failing: z.object({ failures: z.number().int(), reason: z.string(), retryAt: Timestamp }).optional().meta({
    description: "Its process keeps failing: how often in a row, why, and when it is started again",
  }),
  revision: z.number().int(),
  updatedAt: Timestamp,
});
export type TargetView = z.infer<typeof TargetView>;
export const TargetPage = pageOf(TargetView);

/** What everybody sees of the targets that a policy lets them use. */
export const VisibleTarget = z.object({
  name: z.string(),
  description: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  url: z.url().meta({ description: "Where an MCP client connects" }),
  online: z.boolean(),
});
export type VisibleTarget = z.infer<typeof VisibleTarget>;
export const VisibleTargets = z.object({ items: z.array(VisibleTarget) });
