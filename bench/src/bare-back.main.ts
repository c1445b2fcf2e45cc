// The inner half of the bare proxy: dials out over gRPC, calls the target over HTTP. Frames as in bare-front.main.ts.
import http from "node:http";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";

const STREAMS = 32;

const [address, targetUrl] = process.argv.slice(2);
if (address === undefined || targetUrl === undefined) throw new Error("usage: bare-back ADDRESS TARGET_URL");

const agent = new http.Agent({ keepAlive: true });
const client = new Client(address, credentials.createInsecure());
const same = (bytes: Buffer): Buffer => bytes;

function passOn(stream: ClientDuplexStream<Buffer, Buffer>, frame: Buffer, url: string): void {
  const bodyStart = 8 + frame.readUInt32BE(4);
  const { method, headers } = JSON.parse(frame.toString("utf8", 8, bodyStart)) as {
    method: string;
    headers: Record<string, string>;
  };
  const body = frame.subarray(bodyStart);
  const options = { agent, method, headers: { ...headers, "content-length": body.length } };
  const request = http.request(url, options, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => {
      const headers: Record<string, string | undefined> = {
        "content-type": response.headers["content-type"],
        "mcp-session-id": response.headers["mcp-session-id"]?.toString(),
      };
      const head = Buffer.from(JSON.stringify({ status: response.statusCode, headers }));
      const start = Buffer.alloc(8);
      frame.copy(start, 0, 0, 4);
      start.writeUInt32BE(head.length, 4);
      stream.write(Buffer.concat([start, head, ...chunks]));
    });
  });
  request.end(body);
}

for (let index = 0; index < STREAMS; index += 1) {
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>("/bench.Link/Carry", same, same);
  stream.on("data", (frame: Buffer) => passOn(stream, frame, targetUrl));
  stream.on("error", () => process.exit(1));
}
client.waitForReady(Date.now() + 10_000, (error) => {
  if (error) throw error;
  process.stdout.write("ready\n");
});
