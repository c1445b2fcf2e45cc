import type { Socket } from "node:net";
import { Injectable } from "@nestjs/common";

const FAREWELL_MS = 1_000;

/** The open TCP connections of agents, so that one that must go goes, whatever it reads or acknowledges. */
@Injectable()
export class AgentConnections {
  readonly #sockets = new Map<string, Socket>();

  add(socket: Socket): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#sockets.set(peer, socket);
    socket.once("close", () => {
      if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
    });
  }

  /** Ends the connection of this peer, as gRPC names it, once it had a moment to hear why. */
  endSoon(peer: string): void {
    const socket = this.#sockets.get(peer);
    if (socket) setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
  }

  endAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}
