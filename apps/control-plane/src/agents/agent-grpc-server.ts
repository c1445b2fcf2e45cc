import type { AddressInfo } from "node:net";
import { Inject, Injectable, Logger } from "@nestjs/common";
import { type ConnectionInjector, Server, ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { AgentServiceService, EnrolmentServiceService } from "@drawbridge/protocol";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import { AgentConnections } from "./agent-connections.js";
import { AgentListener, type ListenerCertificate } from "./agent-listener.js";
import { AgentHandlers } from "./agent-handlers.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { widenAgentConnections } from "./http2-window.js";
import { MAX_CHUNK_BYTES } from "./session-transfers.js";

const FRAME_OVERHEAD = 64 * 1024;
const RENEW_EVERY_MS = 5 * 60_000;
const RENEW_BEFORE_MS = 12 * 3_600_000;

const KEEPALIVE: ServerOptions = {
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.enable_channelz": 0,
};
// Anybody may come without a certificate: one small request, soon, or nothing.
const FOR_STRANGERS: ServerOptions = {
  ...KEEPALIVE,
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_concurrent_streams": 4,
  "grpc.max_connection_idle_ms": 10_000,
  "grpc.max_connection_age_ms": 20_000,
  "grpc.max_connection_age_grace_ms": 5_000,
};

interface GrpcEnd {
  readonly server: Server;
  readonly injector: ConnectionInjector;
}

/** The one port that agents dial, with or without a certificate. */
@Injectable()
export class AgentGrpcServer {
  private readonly logger = new Logger("agents");
  private readonly strangers: GrpcEnd;
  private readonly agents: GrpcEnd;
  private listener: AgentListener | undefined;
  private certificateEndsAt = 0;
  private bundle = "";
  private renewing: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly authority: CertificateAuthority,
    private readonly connections: AgentConnections,
    private readonly clock: Clock,
    handlers: AgentHandlers,
  ) {
    const maxMessageBytes = Math.max(config.maxMessageBytes, MAX_CHUNK_BYTES) + FRAME_OVERHEAD;
    this.strangers = serve(handlers, FOR_STRANGERS);
    this.agents = serve(handlers, {
      ...KEEPALIVE,
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": maxMessageBytes,
      // A connection carries one control stream and at most 1,000 sessions, each for a moment twice.
      "grpc.max_concurrent_streams": 2_100,
      "grpc.max_connection_idle_ms": 60_000,
    });
  }

  /** Where it listens; the port is the real one when the settings say 0. */
  get address(): AddressInfo {
    if (!this.listener) throw new Error("the listener for agents has not started");
    return this.listener.address;
  }

  async start(): Promise<void> {
    widenAgentConnections();
    await this.authority.reload();
    this.listener = new AgentListener(await this.certificate(), (socket) => {
      this.connections.add(socket);
      (socket.authorized ? this.agents : this.strangers).injector.injectConnection(socket);
    });
    await this.listener.listen(this.config.agentListen);
    this.renewing = setInterval(() => void this.renew(), RENEW_EVERY_MS).unref();
    const { address, port } = this.address;
    this.logger.log("listening for agents", { host: address, port });
  }

  /** Those that are connected stay so. */
  refuseNew(): void {
    clearInterval(this.renewing);
    this.listener?.close();
  }

  /** Ends every connection. */
  close(): void {
    for (const { injector, server } of [this.strangers, this.agents]) {
      injector.destroy();
      server.forceShutdown();
    }
    this.connections.endAll();
  }

  private async certificate(): Promise<ListenerCertificate> {
    const { agentAddress, agentListen } = this.config;
    const hosts = [agentAddress.host, agentListen.host, "localhost", "127.0.0.1"];
    const { chain, privateKey, notAfter } = await this.authority.issueForListener(hosts);
    this.certificateEndsAt = notAfter.getTime();
    this.bundle = await this.authority.bundle();
    return { chain, privateKey, trusted: this.bundle };
  }

  /** Takes up a rotation of the authority, wherever it was asked for, and renews the listener's certificate in time. */
  private async renew(): Promise<void> {
    try {
      await this.authority.reload();
      const isFresh = this.certificateEndsAt - this.clock.now().getTime() > RENEW_BEFORE_MS;
      if (isFresh && this.bundle === (await this.authority.bundle())) return;
      this.listener?.renew(await this.certificate());
    } catch (error) {
      this.logger.error("the certificate of the agents' listener could not be renewed", {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** Connections come with TLS done, so gRPC's own credentials are the insecure ones; it sees the peer's certificate. */
function serve({ enrolment, agentService, renewal }: AgentHandlers, options: ServerOptions): GrpcEnd {
  const server = new Server(options);
  server.addService(EnrolmentServiceService, { join: enrolment.join.bind(enrolment) });
  server.addService(withUnknownFrames(AgentServiceService), {
    connect: agentService.connect.bind(agentService),
    session: agentService.session.bind(agentService),
    renewCertificate: renewal.renewCertificate.bind(renewal),
  });
  return { server, injector: server.createConnectionInjector(ServerCredentials.createInsecure()) };
}

/**
 * What cannot be decoded reaches the handlers as a frame that nobody knows, for them to refuse. gRPC would end the call by
 * itself while an answer to the frame before is being written, and such a call never ends for its agent.
 */
function withUnknownFrames(service: typeof AgentServiceService): typeof AgentServiceService {
  const { connect, session } = service;
  return {
    ...service,
    connect: { ...connect, requestDeserialize: orUnknown(connect.requestDeserialize) },
    session: { ...session, requestDeserialize: orUnknown(session.requestDeserialize) },
  };
}

function orUnknown<Frame>(decode: (bytes: Buffer) => { frame: Frame | undefined }): typeof decode {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch {
      return { frame: undefined };
    }
  };
}
