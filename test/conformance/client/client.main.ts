// A client that does what the suite's scenarios for clients want to see: it connects, looks at everything that is
// offered and uses it once. Started by the suite with the URL of the scenario's server as its last argument.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";
import { sampleArguments } from "./sample-arguments.js";

const environment = z
  .object({
    MCP_CONFORMANCE_PROTOCOL_VERSION: z.string(),
    MCP_CONFORMANCE_CONTEXT: z.string().optional(),
    /** Where to ask for the way through Drawbridge; without it the client goes directly. */
    CONFORMANCE_DOORKEEPER: z.url().optional(),
  })
  .parse(process.env);
const Context = z.object({
  toolCalls: z.array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) })).optional(),
});

const serverUrl = z.url().parse(process.argv.at(-1));
const isModern = environment.MCP_CONFORMANCE_PROTOCOL_VERSION === "2026-07-28";
const client = new Client(
  { name: "drawbridge-conformance-client", version: "1.0.0" },
  {
    capabilities: { sampling: {}, roots: {}, elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: isModern ? "auto" : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", ({ params }) => ({
  action: "accept",
  // What is left out has a default, which the SDK fills in.
  content:
    "requestedSchema" in params && "confirmed" in params.requestedSchema.properties
      ? { confirmed: true }
      : {},
}));

const transport = new StreamableHTTPClientTransport(new URL(await way(serverUrl)));
// The SDK's transport types predate exactOptionalPropertyTypes.
await client.connect(transport as Parameters<Client["connect"]>[0]);
try {
  await useTools();
  await useResources();
  await usePrompts();
} finally {
  await transport.terminateSession();
  await client.close();
}

/** Where this client connects in order to reach `url`. */
async function way(url: string): Promise<string> {
  const { CONFORMANCE_DOORKEEPER: doorkeeper } = environment;
  if (doorkeeper === undefined) return url;
  const response = await fetch(doorkeeper, { method: "POST", body: url });
  if (!response.ok) throw new Error(`the doorkeeper answers ${response.status}`);
  return response.text();
}

async function useTools(): Promise<void> {
  const { tools } = await client.listTools();
  const { toolCalls } = Context.parse(JSON.parse(environment.MCP_CONFORMANCE_CONTEXT ?? "{}"));
  const calls =
    toolCalls ??
    tools.map(({ name, inputSchema }) => ({ name, arguments: sampleArguments(inputSchema, tools) }));
  // A server that fails on purpose must not keep the other tools from being used.
  for (const call of calls)
    await client.callTool(call).catch((error: unknown) => console.error(String(error)));
}

async function useResources(): Promise<void> {
  if (client.getServerCapabilities()?.resources === undefined) return;
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
}

async function usePrompts(): Promise<void> {
  if (client.getServerCapabilities()?.prompts === undefined) return;
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name });
}
