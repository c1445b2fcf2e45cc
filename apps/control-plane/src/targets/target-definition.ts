import type { TargetDocument } from "@drawbridge/contracts";
import type { TargetDefinition } from "@drawbridge/protocol";

type Transport = NonNullable<TargetDefinition["transport"]>;
type StdioLimits = Extract<Transport, { $case: "stdio" }>["value"]["limits"];
type DocumentTransport = TargetDocument["spec"]["transport"];

const MEGABYTE = 1024 * 1024;

/** The document, values included, as it is sent to the agent. */
export function targetDefinition({ metadata, spec }: TargetDocument): TargetDefinition {
  return {
    name: metadata.name,
    exchangeTimeoutMs: spec.exchangeTimeoutSeconds * 1000,
    idleTimeoutMs: spec.idleTimeoutSeconds * 1000,
    transport: transportOf(spec.transport),
  };
}

function transportOf(transport: DocumentTransport): Transport {
  if ("http" in transport) return { $case: "http", value: transport.http };
  if ("sse" in transport) return { $case: "sse", value: transport.sse };
  const { command, arguments: args, workingDirectory = "", environment, limits } = transport.stdio;
  const value = { command, arguments: args, workingDirectory, environment, limits: limitsOf(limits) };
  return { $case: "stdio", value };
}

/** 0 leaves a limit to the agent. */
function limitsOf(limits: Extract<DocumentTransport, { stdio: unknown }>["stdio"]["limits"]): StdioLimits {
  if (limits === undefined) return undefined;
  const { memoryMegabytes = 0, cpuSeconds = 0, openFiles = 0, processes = 0 } = limits;
  return { memoryBytes: memoryMegabytes * MEGABYTE, cpuSeconds, openFiles, processes };
}
