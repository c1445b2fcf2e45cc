import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { HostPort } from "../config.js";

/** Serves paths under `/mcp/` itself and leaves all others to the REST API. */
export interface DataPath {
  handle(request: IncomingMessage, response: ServerResponse): void;
}

/** Takes what wants to become a WebSocket, or refuses it. */
export interface Upgrades {
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/**
 * One listener for the data path and the REST API. MCP requests do not pass through the REST framework: they need raw
 * bodies, open streams and every microsecond.
 */
export function createHttpServer(dataPath: DataPath, api: RequestListener, upgrades?: Upgrades): Server {
  // Other upgrades are offers that may be left alone: some clients of MCP offer h2c with each request.
  const shouldUpgradeCallback = ({ headers }: IncomingMessage) =>
    upgrades !== undefined && headers.upgrade?.toLowerCase() === "websocket";
  const options = { connectionsCheckingInterval: 5_000, shouldUpgradeCallback };
  const server = createServer(options, (request, response) => {
    if (request.url?.startsWith("/mcp/")) dataPath.handle(request, response);
    else api(request, response);
  });
  if (upgrades) server.on("upgrade", (request, socket, head) => upgrades.handle(request, socket, head));
  // Headers must come within 10 s; a body may take 60 s. Responses may stay open for as long as a call takes.
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  server.keepAliveTimeout = 75_000;
  server.maxHeadersCount = 100;
  return server;
}

/** @throws an error that names the address and says what to do when it is taken */
export async function listen(server: Server, { host, port }: HostPort): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`${host}:${port} is taken by another program; stop it or set DRAWBRIDGE_LISTEN`)
          : error,
      );
    });
    server.listen(port, host, resolve);
  });
  return server.address() as AddressInfo;
}
