import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** A client program whose calls are held, with the settings that decide how long it waits. */
export interface HoldingClient {
  readonly says: string;
  readonly generation: "1.x" | "2.x" | "2.x auto";
  /** Asks for progress. */
  readonly hearsProgress: boolean;
  /** Starts its time limit anew with each progress: not the default. */
  readonly resetsTimeout: boolean;
  /** What it calls itself. */
  readonly name: string;
}

const client = (
  says: string,
  generation: HoldingClient["generation"],
  settings: Partial<HoldingClient> = {},
): HoldingClient => ({
  says,
  generation,
  hearsProgress: false,
  resetsTimeout: false,
  name: "holding-test",
  ...settings,
});
const PATIENT = { hearsProgress: true, resetsTimeout: true, name: "claude-code" };

export const HOLDING_CLIENTS: readonly HoldingClient[] = [
  client("SDK 1.x", "1.x"),
  client("SDK 1.x, onprogress", "1.x", { hearsProgress: true }),
  client("SDK 1.x, patient by name", "1.x", PATIENT),
  client("SDK 2.x, 2025-11-25", "2.x"),
  client("SDK 2.x, 2025-11-25, onprogress", "2.x", { hearsProgress: true }),
  client("SDK 2.x, 2025-11-25, patient by name", "2.x", PATIENT),
  client("SDK 2.x, 2026-07-28", "2.x auto"),
  client("SDK 2.x, 2026-07-28, onprogress", "2.x auto", { hearsProgress: true }),
];

export interface HeldCall {
  /** Of the call that was answered at last. */
  readonly text: string;
  readonly isError: boolean;
  /** How often the program had to call: 1 when its first call was answered. */
  readonly calls: number;
  readonly seconds: number;
  readonly progress: number;
}

interface Connected {
  call(tool: string, args: Record<string, unknown>): Promise<Record<string, unknown>>;
  close(): Promise<void>;
  progress(): number;
}

/** Calls the tool and, as the answer asks for, calls again with the very same arguments until it is decided. */
export async function callUntilDecided(
  holding: HoldingClient,
  door: { readonly url: string; readonly token: () => Promise<string> },
  {
    tool,
    args,
    patienceMs,
  }: { readonly tool: string; readonly args: Record<string, unknown>; readonly patienceMs: number },
): Promise<HeldCall> {
  const began = Date.now();
  const connected = await connect(holding, door);
  try {
    for (let calls = 1; ; calls += 1) {
      const result = await connected.call(tool, args);
      const text = textOf(result);
      const isPending = result["isError"] === true && /\bpending\b/.test(text);
      if (isPending && Date.now() - began < patienceMs) continue;
      const seconds = (Date.now() - began) / 1_000;
      return { text, isError: result["isError"] === true, calls, seconds, progress: connected.progress() };
    }
  } finally {
    await connected.close();
  }
}

async function connect(
  { generation, hearsProgress, resetsTimeout, name }: HoldingClient,
  { url, token }: { readonly url: string; readonly token: () => Promise<string> },
): Promise<Connected> {
  let heard = 0;
  const options = {
    ...(hearsProgress ? { onprogress: () => (heard += 1) } : {}),
    ...(resetsTimeout ? { resetTimeoutOnProgress: true } : {}),
  };
  // Tokens live minutes: a real client refreshes them.
  const withToken: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${await token()}`);
    return fetch(input, { ...init, headers });
  };
  const info = { name, version: "1.0.0" };
  const progress = () => heard;
  if (generation === "1.x") {
    const transport = new TransportV1(new URL(url), { fetch: withToken });
    const program = new ClientV1(info, {});
    // The SDK's transport types predate exactOptionalPropertyTypes.
    await program.connect(transport as Parameters<ClientV1["connect"]>[0]);
    return {
      call: (tool, args) => program.callTool({ name: tool, arguments: args }, undefined, options),
      close: () => program.close(),
      progress,
    };
  }
  const transport = new TransportV2(new URL(url), { fetch: withToken });
  const mode = generation === "2.x auto" ? { versionNegotiation: { mode: "auto" as const } } : {};
  const program = new ClientV2(info, mode);
  await program.connect(transport as Parameters<ClientV2["connect"]>[0]);
  return {
    call: (tool, args) => program.callTool({ name: tool, arguments: args }, options),
    close: () => program.close(),
    progress,
  };
}

function textOf(result: Record<string, unknown>): string {
  const content = (result["content"] ?? []) as { text?: string }[];
  return content.map(({ text }) => text ?? "").join("\n");
}
