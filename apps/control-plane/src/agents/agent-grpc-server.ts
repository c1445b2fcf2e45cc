import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { createServer, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { Inject, Injectable, Logger } from "@nestjs/common";
import { type ConnectionInjector, Server } from "@grpc/grpc-js";
import { AgentServiceService, EnrolmentServiceService } from "@drawbridge/protocol";
import { CONFIG, type Config } from "../config.js";
import { AgentConnections } from "./agent-connections.js";
import {
  AgentServerCredentials,
  WINDOW_BYTES,
  type ListenerCertificate,
} from "./agent-server-credentials.js";
import { AgentServiceHandler } from "./agent-service.handler.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { EnrolmentHandler } from "./enrolment.handler.js";

const FRAME_OVERHEAD = 64 * 1024;
const MAX_CONNECTIONS = 10_000;
const IDLE_MS = 60_000;
const RENEW_EVERY_MS = 5 * 60_000;
const RENEW_BEFORE_MS = 12 * 3_600_000;

/** The one port that agents dial, with or without a certificate. */
@Injectable()
export class AgentGrpcServer {
  private readonly logger = new Logger("agents");
  private readonly grpc: Server;
  private readonly listener: NetServer;
  private credentials: AgentServerCredentials | undefined;
  private injector: ConnectionInjector | undefined;
  private certificateEndsAt = 0;
  private bundle = "";
  private renewing: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly authority: CertificateAuthority,
    private readonly connections: AgentConnections,
    enrolment: EnrolmentHandler,
    agentService: AgentServiceHandler,
  ) {
    const maxMessageBytes = config.maxMessageBytes + FRAME_OVERHEAD;
    this.grpc = new Server({
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": maxMessageBytes,
      "grpc.keepalive_time_ms": 5_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.max_connection_idle_ms": IDLE_MS,
      "grpc.enable_channelz": 0,
    });
    this.grpc.addService(EnrolmentServiceService, { join: enrolment.join.bind(enrolment) });
    this.grpc.addService(AgentServiceService, {
      connect: agentService.connect.bind(agentService),
      session: agentService.session.bind(agentService),
      renewCertificate: agentService.renewCertificate.bind(agentService),
    });
    this.listener = createServer({ noDelay: true }, (socket) => this.accept(socket));
    this.listener.maxConnections = MAX_CONNECTIONS;
  }

  /** Where it listens; the port is the real one when the settings say 0. */
  get address(): AddressInfo {
    return this.listener.address() as AddressInfo;
  }

  /** @throws an error that names the address and says what to do when it is taken */
  async start(): Promise<void> {
    await this.authority.reload();
    this.credentials = new AgentServerCredentials(await this.certificate());
    this.injector = this.grpc.createConnectionInjector(this.credentials);
    widenConnections();
    await this.listen();
    this.renewing = setInterval(() => void this.renew(), RENEW_EVERY_MS).unref();
    this.logger.log("listening for agents", { host: this.address.address, port: this.address.port });
  }

  /** Those that are connected stay so. */
  refuseNew(): void {
    this.listener.close();
  }

  /** Ends every connection. */
  close(): void {
    clearInterval(this.renewing);
    this.listener.close();
    this.injector?.destroy();
    this.connections.endAll();
    this.grpc.forceShutdown();
  }

  private accept(socket: Socket): void {
    // Unheard, the error of a connection that breaks before its handshake would end the process.
    socket.on("error", () => socket.destroy());
    this.connections.add(socket);
    this.injector?.injectConnection(socket);
  }

  private async listen(): Promise<void> {
    const { host, port } = this.config.agentListen;
    await new Promise<void>((resolve, reject) => {
      this.listener.once("error", (error: NodeJS.ErrnoException) => {
        const isTaken = error.code === "EADDRINUSE";
        const advice = `${host}:${port} is taken by another program; stop it or set DRAWBRIDGE_AGENT_LISTEN`;
        reject(isTaken ? new Error(advice) : error);
      });
      this.listener.listen(port, host, resolve);
    });
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
      const isFresh = this.certificateEndsAt - Date.now() > RENEW_BEFORE_MS;
      if (isFresh && this.bundle === (await this.authority.bundle())) return;
      this.credentials?.renew(await this.certificate());
    } catch (error) {
      this.logger.error("the certificate of the agents' listener could not be renewed", {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

const widened = new WeakSet<ServerHttp2Session>();
let isWidening = false;

/**
 * Gives a connection the window of its streams. grpc-js does this on its clients only and shows its server's
 * connections to nobody; Node announces each of their streams. Nothing else in this process serves HTTP/2.
 */
function widenConnections(): void {
  if (isWidening) return;
  isWidening = true;
  subscribe("http2.server.stream.created", (message) => {
    const { session } = (message as { stream: ServerHttp2Stream }).stream;
    if (!session || widened.has(session as ServerHttp2Session)) return;
    widened.add(session as ServerHttp2Session);
    session.setLocalWindowSize(WINDOW_BYTES);
  });
}
