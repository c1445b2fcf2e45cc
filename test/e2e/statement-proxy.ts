import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A way to Postgres that sees each statement before the server does. */
export interface StatementProxy {
  readonly url: string;
  /** Called with each write and commit of interest, in order, before it is passed on. What it returns says whether it is. */
  onStatement: (sql: string) => boolean;
  stop(): Promise<void>;
}

const PARSE = "P".charCodeAt(0);
const BIND = "B".charCodeAt(0);
const QUERY = "Q".charCodeAt(0);

/**
 * Reads the frontend's messages (PostgreSQL documentation, "Message Formats") as far as needed: the text of a statement
 * when it is prepared, and its name when it is bound. Of interest are writes to tables that match, and the commits of
 * transactions that have made one.
 */
export async function startStatementProxy(databaseUrl: string, tables: RegExp): Promise<StatementProxy> {
  const { hostname, port } = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const reader = new FrontendReader(tables);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes: Buffer) => {
      if (reader.read(bytes).every((sql) => proxy.onStatement(sql))) upstream.write(bytes);
      else client.destroy();
    });
    upstream.pipe(client);
  });
  await listen(server);
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  const proxy: StatementProxy = {
    url: url.href,
    onStatement: () => true,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

class FrontendReader {
  private pending = Buffer.alloc(0);
  private started = false;
  private readonly prepared = new Map<string, string>();
  private hasWritten = false;
  private readonly tables: RegExp;

  constructor(tables: RegExp) {
    this.tables = tables;
  }

  /** The statements of interest that these bytes execute. */
  read(bytes: Buffer): string[] {
    this.pending = Buffer.concat([this.pending, bytes]);
    const found: string[] = [];
    for (let message = this.next(); message; message = this.next()) {
      const sql = this.statementOf(message);
      if (sql !== undefined && this.isOfInterest(sql)) found.push(sql);
    }
    return found;
  }

  /** The start-up message has no type. */
  private next(): { type: number; body: Buffer } | undefined {
    const head = this.started ? 1 : 0;
    if (this.pending.length < head + 4) return undefined;
    const end = head + this.pending.readUInt32BE(head);
    if (this.pending.length < end) return undefined;
    const message = { type: head === 0 ? 0 : this.pending[0]!, body: this.pending.subarray(head + 4, end) };
    this.pending = this.pending.subarray(end);
    this.started = true;
    return message;
  }

  private statementOf({ type, body }: { type: number; body: Buffer }): string | undefined {
    const [first = "", second = ""] = body.toString("utf8").split("\0", 2);
    if (type === QUERY) return first;
    if (type === PARSE) this.prepared.set(first, second);
    return type === BIND ? this.prepared.get(second) : undefined;
  }

  private isOfInterest(sql: string): boolean {
    if (/^\s*(?:commit|rollback)/i.test(sql)) {
      const { hasWritten } = this;
      this.hasWritten = false;
      return hasWritten && /^\s*commit/i.test(sql);
    }
    const isWrite = /\b(?:insert\s+into|update|delete\s+from)\b/i.test(sql) && this.tables.test(sql);
    this.hasWritten ||= isWrite;
    return isWrite;
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
