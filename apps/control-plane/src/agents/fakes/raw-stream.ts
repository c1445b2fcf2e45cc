import {
  type AgentServiceClient,
  AgentServiceService,
  ConnectResponse,
  SessionResponse,
} from "@drawbridge/protocol";
import type { ClientDuplexStream, StatusObject } from "@grpc/grpc-js";

/** A stream of the agents' protocol on which a test writes bytes that need not be frames. */
export interface RawStream {
  readonly call: ClientDuplexStream<Uint8Array, unknown>;
  readonly isOver: () => boolean;
  readonly status: Promise<StatusObject>;
}

export function rawStream(client: AgentServiceClient, kind: "connect" | "session"): RawStream {
  const read = kind === "connect" ? ConnectResponse : SessionResponse;
  const call = client.makeBidiStreamRequest(
    AgentServiceService[kind].path,
    (frame: Uint8Array) => Buffer.from(frame),
    (bytes: Buffer) => read.decode(bytes) as unknown,
  );
  let isOver = false;
  const status = new Promise<StatusObject>((resolve) => {
    call.once("status", (said: StatusObject) => {
      isOver = true;
      resolve(said);
    });
  });
  // What a test looks at is the status.
  call.on("error", () => undefined);
  call.resume();
  return { call, isOver: () => isOver, status };
}
