import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** The same database, over connections that a test can break. */
export interface DatabaseProxy {
  readonly url: string;
  /** Breaks all connections that there are. */
  readonly cut: () => void;
  /** From here on nothing passes on them any more, and nobody is told. New ones work. */
  readonly fallSilent: () => void;
  readonly close: () => void;
}

export async function proxyTo(databaseUrl: string): Promise<DatabaseProxy> {
  const { hostname, port } = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [[client, upstream] as const, [upstream, client] as const]) {
      sockets.add(from);
      from.on("error", () => to.destroy()).pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: url.href,
    cut,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe();
    },
    close: () => {
      cut();
      server.close();
    },
  };
}
