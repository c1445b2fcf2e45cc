import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | undefined;
  readonly isEncrypted: boolean;
  /** Headers and body as they came. */
  readonly raw: string;
}

/** A mail server. */
export class MailReceiver {
  readonly received: ReceivedMail[] = [];
  private readonly server: SMTPServer;

  constructor(options: SMTPServerOptions = {}) {
    this.server = new SMTPServer({
      authOptional: true,
      hideSTARTTLS: true,
      onAuth: ({ username }, _session, callback) => callback(null, { user: username ?? "" }),
      onData: (stream, session, callback) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("end", () => {
          const { mailFrom, rcptTo } = session.envelope;
          this.received.push({
            from: mailFrom === false ? "" : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            user: session.user as string | undefined,
            isEncrypted: session.secure,
            raw: Buffer.concat(parts).toString("utf8"),
          });
          callback();
        });
      },
      ...options,
    });
    // A client that breaks off is part of some tests.
    this.server.on("error", () => undefined);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", () => resolve()));
  }

  get port(): number {
    return (this.server.server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
