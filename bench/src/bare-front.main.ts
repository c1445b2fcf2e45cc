// The outer half of the bare proxy: HTTP in, gRPC out to whoever dialled in. No feature of any kind, so that what is
// left is the price of the way itself. Prints both addresses.
//
//   frame: number (4 bytes) │ length of head (4 bytes) │ head (JSON) │ body
import { type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type ServerDuplexStream, Server, ServerCredentials } from "@grpc/grpc-js";

type Stream = ServerDuplexStream<Buffer, Buffer>;

const streams: Stream[] = [];
const waiting = new Map<number, ServerResponse>();
let next = 0;

function onFrame(frame: Buffer): void {
  const number = frame.readUInt32BE(0);
  const response = waiting.get(number);
  waiting.delete(number);
  const bodyStart = 8 + frame.readUInt32BE(4);
  const { status, headers } = JSON.parse(frame.toString("utf8", 8, bodyStart)) as {
    status: number;
    headers: Record<string, string>;
  };
  response?.writeHead(status, { ...headers, "content-length": frame.length - bodyStart });
  response?.end(frame.subarray(bodyStart));
}

const link = new Server();
link.addService(
  {
    carry: {
      path: "/bench.Link/Carry",
      requestStream: true,
      responseStream: true,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  {
    carry: (stream: Stream) => {
      streams.push(stream);
      stream.on("data", onFrame);
      stream.on("error", () => {});
    },
  },
);

const PASSED_ON = ["content-type", "accept", "mcp-session-id", "mcp-protocol-version"];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const number = next++;
    const headers = Object.fromEntries(
      PASSED_ON.flatMap((name) =>
        request.headers[name] === undefined ? [] : [[name, request.headers[name]]],
      ),
    );
    const head = Buffer.from(JSON.stringify({ method: request.method, headers }));
    const start = Buffer.alloc(8);
    start.writeUInt32BE(number, 0);
    start.writeUInt32BE(head.length, 4);
    waiting.set(number, response);
    streams[number % streams.length]?.write(Buffer.concat([start, head, ...chunks]));
  });
});
server.keepAliveTimeout = 60_000;

link.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  server.listen(0, "127.0.0.1", () => {
    const { port: httpPort } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ http: httpPort, link: port })}\n`);
  });
});
