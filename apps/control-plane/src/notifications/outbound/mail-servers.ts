import { connect, type Socket } from "node:net";
import {
  type FindAddresses,
  findAddresses,
  type Judging,
  judgedLookup,
  RefusedReceiverError,
  requireGoodAddress,
} from "./judged-addresses.js";
import type { AllowedReceivers } from "./public-address.js";

/**
 * Connects to mail servers. They are in private networks as a rule, so private addresses are fine; what only machines of
 * a cloud ask for their identity is none of them.
 */
export class MailServers {
  private readonly judging: Judging;

  constructor(allowed: AllowedReceivers, find: FindAddresses = findAddresses) {
    const isGood = (address: string) => allowed.allowsMailServer(address);
    this.judging = { allowed, isGood, find, refusal: refused };
  }

  /** @throws RefusedReceiverError, and what the network says */
  async connect({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<Socket> {
    requireGoodAddress(host, this.judging);
    signal.throwIfAborted();
    const socket = connect({ host, port, lookup: judgedLookup(this.judging) });
    const cut = () => socket.destroy(new Error("the mail server did not answer in time"));
    signal.addEventListener("abort", cut, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", cut));
    await new Promise<void>((resolve, reject) => {
      // Stays: what goes wrong when whoever has it is done with it concerns nobody.
      socket.on("error", reject);
      socket.once("connect", resolve);
    });
    return socket;
  }
}

function refused(host: string): RefusedReceiverError {
  return new RefusedReceiverError(
    `${host} is no address of a mail server; DRAWBRIDGE_NOTIFY_ALLOW can name it`,
  );
}
