import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CliError } from "../errors.js";
import { beginAuthorization } from "./authorization-code.js";
import type { SignInRequest, Tokens } from "./provider.js";

const WAIT_MS = 5 * 60_000;

/** Signs in with the user's browser, whose answer comes to a port of this machine (RFC 8252). */
export async function signInWithBrowser(request: SignInRequest, show: (url: URL) => void): Promise<Tokens> {
  const server = createServer();
  const port = await listen(server);
  try {
    const authorization = await beginAuthorization(request, `http://127.0.0.1:${port}/callback`);
    const answer = waitForAnswer(server, { port, state: authorization.state, signal: request.signal });
    show(authorization.url);
    return await authorization.exchange(await answer);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface Expected {
  readonly port: number;
  readonly state: string;
  readonly signal: AbortSignal;
}

/** Anything on this machine, or a page in the browser, may call the port: what is not our answer is turned away. */
function waitForAnswer(server: Server, { port, state, signal }: Expected): Promise<URL> {
  return new Promise((resolve, reject) => {
    // This timer keeps no process alive, unlike one that somebody has to remember to clear.
    AbortSignal.timeout(WAIT_MS).addEventListener("abort", () => {
      reject(new CliError("nobody signed in within 5 minutes; try again, or use: drawbridge login --device"));
    });
    signal.addEventListener("abort", () => reject(new CliError("the sign-in was interrupted")), {
      once: true,
    });
    server.on("request", (incoming: IncomingMessage, response: ServerResponse) => {
      const answer = URL.parse(incoming.url ?? "", `http://127.0.0.1:${port}`);
      const isOurs =
        incoming.method === "GET" &&
        incoming.headers.host === `127.0.0.1:${port}` &&
        answer?.pathname === "/callback" &&
        answer.searchParams.get("state") === state;
      if (!isOurs || answer === null) return reply(response, 404, "Nothing is here.");
      reply(
        response,
        200,
        answer.searchParams.has("error")
          ? "You are not signed in. The terminal says why; you can close this window."
          : "You can close this window and go back to the terminal.",
      );
      response.on("close", () => resolve(answer));
    });
  });
}

function reply(response: ServerResponse, status: 200 | 404, text: string): void {
  response
    .writeHead(status, {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      // The address holds the code; it must not travel on in a Referer.
      "referrer-policy": "no-referrer",
      connection: "close",
    })
    .end(`${text}\n`);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
