import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { ResourceName } from "@drawbridge/contracts";
import { z } from "zod";
import { interrupted, unreachable } from "./api.js";
import { CliError, EXIT, notSignedIn } from "./errors.js";
import type { Connection, Shell } from "./shell.js";
import { jsonText } from "./terminal-text.js";
import { VERSION } from "./version.js";

const GOODBYE_MS = 5_000;
const MAX_REFUSAL_BYTES = 65_536;

/** A call that waits for people goes on after a restart of the control plane when its caller is back within a minute. */
const RECONNECTION = {
  initialReconnectionDelay: 1_000,
  maxReconnectionDelay: 5_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 60,
};

/** What the SDK says, and only says, when it does not come back any more: the call would never end. */
const GAVE_UP = /^Maximum reconnection attempts/;

/** Says under which recording a session is kept; a header, because MCP's session id is a secret of the client. */
export const SESSION_HEADER = "drawbridge-session";

export interface McpSession {
  readonly client: Client;
  /** The session's id in the control plane, also its recording's; undefined when the control plane does not say. */
  readonly recordingId: () => string | undefined;
}

/** Speaks MCP with a target for as long as `work` takes, and ends the session. */
export async function withTarget<Result>(
  shell: Shell,
  { connection, target, tool }: { connection: Connection; target: string; tool?: string },
  work: (session: McpSession) => Promise<Result>,
): Promise<Result> {
  const { url, tokens } = connection;
  // Before anything is sent: whoever is not signed in hears of that, and of nothing else.
  await tokens.get("mcp");
  const wire = new Wire(async () => (await tokens.get("mcp")).value);
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp/${encodeURIComponent(target)}`), {
    requestInit: { redirect: "error" },
    reconnectionOptions: RECONNECTION,
    fetch: (address, request) => wire.fetch(address, request),
  });
  const client = new Client({ name: "drawbridge-cli", version: VERSION });
  try {
    // The SDK's transport types predate exactOptionalPropertyTypes.
    await client.connect(transport as Parameters<Client["connect"]>[0]);
    const lost = new Promise<never>((_resolve, reject) => {
      client.onerror = ({ message }) => {
        if (GAVE_UP.test(message)) reject(connectionLost(target));
      };
    });
    return await Promise.race([work({ client, recordingId: () => wire.recordingId }), lost]);
  } catch (error) {
    if (shell.signal.aborted) throw interrupted();
    throw mcpFailure(error, { url, target, tool, refusal: wire.refusal });
  } finally {
    await within(GOODBYE_MS, transport.terminateSession());
    await within(GOODBYE_MS, client.close());
  }
}

function connectionLost(target: string): CliError {
  return new CliError(`the connection was lost; what ${target} did is unknown, unless the recording says it`);
}

interface Refusal {
  readonly status: number;
  readonly message: string | undefined;
}

/** Notices on the wire what the SDK keeps to itself. */
class Wire {
  refusal: Refusal | undefined;
  recordingId: string | undefined;
  readonly #token: () => Promise<string>;

  constructor(token: () => Promise<string>) {
    this.#token = token;
  }

  /** A session that waits for people outlives the token with which it was begun. */
  async fetch(address: string | URL, request?: RequestInit): Promise<Response> {
    const headers = new Headers(request?.headers);
    headers.set("authorization", `Bearer ${await this.#token()}`);
    const response = await fetch(address, { ...request, headers });
    this.recordingId ??= response.headers.get(SESSION_HEADER) ?? undefined;
    if (!response.ok && request?.method === "POST") {
      const message = refusalMessage(await response.clone().text());
      this.refusal = { status: response.status, message };
    }
    return response;
  }
}

/** The message of a JSON-RPC error or of a problem document. */
function refusalMessage(text: string): string | undefined {
  if (text.length > MAX_REFUSAL_BYTES) return undefined;
  try {
    const { error, detail } = JSON.parse(text) as { error?: { message?: unknown }; detail?: unknown };
    const message = error?.message ?? detail;
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

/** Drawbridge's own code of a JSON-RPC error: it needs access that the caller may ask for. */
const ACCESS_REQUIRED: number = -31016;
/** What a shell takes for one plain word. */
const ONE_WORD = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const AccessRequired = z.object({ policy: ResourceName });

function answeredError(error: ProtocolError, where: Where): CliError {
  if (error.code === ACCESS_REQUIRED) return accessRequired(error, where);
  return new CliError(error.message, {
    cause: error,
    details: error.data === undefined ? [] : jsonText(error.data).split("\n"),
  });
}

/** The command is put together here: one that the other side wrote could be anything, and people paste it. */
function accessRequired({ message, data }: ProtocolError, { target, tool }: Where): CliError {
  const { policy } = AccessRequired.safeParse(data).data ?? {};
  const choice = policy === undefined ? "" : ` --policy ${policy}`;
  const tools = tool !== undefined && ONE_WORD.test(tool) ? ` --tools ${tool}` : "";
  return new CliError(message, {
    details: [`ask for it: drawbridge request ${target}${choice}${tools} --reason TEXT --wait`],
  });
}

interface Where {
  readonly url: string;
  readonly target: string;
  readonly tool: string | undefined;
  readonly refusal: Refusal | undefined;
}

function mcpFailure(error: unknown, where: Where): CliError {
  const { url, target, refusal } = where;
  if (error instanceof CliError) return error;
  if (error instanceof ProtocolError) return answeredError(error, where);
  if (refusal !== undefined) return refused(refusal, target);
  if (error instanceof UnauthorizedError) return refused({ status: 401, message: undefined }, target);
  if (SdkError.isInstance(error) && error.code === SdkErrorCode.RequestTimeout) {
    return new CliError(`${target} did not answer in time; what it did is unknown (--timeout waits longer)`);
  }
  if (error instanceof TypeError) return unreachable(url, error);
  return new CliError(error instanceof Error ? error.message : String(error), { cause: error });
}

function refused({ status, message }: Refusal, target: string): CliError {
  if (status === 401)
    return notSignedIn(`${message ?? "the token was refused"}; sign in again: drawbridge login`);
  if (status === 403) {
    return new CliError(message ?? `you may not use ${target}`, { exitCode: EXIT.notPermitted });
  }
  if (status === 404) {
    return new CliError(message ?? `there is no target ${target}, or no policy lets you use it`, {
      details: ["list what you may use: drawbridge targets"],
    });
  }
  return new CliError(message ?? `the control plane answered with HTTP status ${status}`);
}

/** Saying goodbye must neither fail a command nor hold it up. */
async function within(milliseconds: number, goodbye: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([goodbye.catch(() => {}), late]);
  clearTimeout(timer);
}
