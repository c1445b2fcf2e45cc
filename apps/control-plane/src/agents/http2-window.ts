import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";

/** What an agent may send ahead, per stream and per connection. The default of 64 KiB carries 0.6 MB/s over 100 ms. */
const WINDOW_BYTES = 4 * 1024 * 1024;

const widened = new WeakSet<ServerHttp2Session>();
let isWatching = false;

/**
 * Widens the windows of connections that proved a certificate, from their first stream on. grpc-js does this on its
 * clients only and shows its server's connections to nobody; Node announces each of their streams. Nothing else in this
 * process serves HTTP/2.
 */
export function widenAgentConnections(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe("http2.server.stream.created", (message) => {
    const session = (message as { stream: ServerHttp2Stream }).stream.session as
      | ServerHttp2Session
      | undefined;
    if (!session || widened.has(session)) return;
    widened.add(session);
    if (!(session.socket as TLSSocket).authorized) return;
    session.settings({ initialWindowSize: WINDOW_BYTES });
    session.setLocalWindowSize(WINDOW_BYTES);
  });
}
