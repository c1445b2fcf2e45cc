import type { AgentServiceClient, RenewCertificateResponse } from "@drawbridge/protocol";
import { Metadata } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { createCertificateRequest } from "./certificate-request.js";
import { checkIssued, exportKey, generateCertificateKey, type Identity, leafOf } from "./identity.js";

const CALL_DEADLINE_MS = 15_000;
const LONGEST_TIMER_MS = 24 * 60 * 60_000;
const RETRY_SHARE = 0.02;

/** Half of the certificate's life after it began, ± 10 %, so that agents that joined together do not renew together. */
export function renewalTime(
  validity: { readonly from: number; readonly to: number },
  random: () => number,
): number {
  return validity.from + (validity.to - validity.from) * (0.45 + 0.1 * random());
}

export interface RenewalOptions {
  readonly identity: () => Identity;
  /** A channel that serves now, if there is one. */
  readonly client: () => AgentServiceClient | undefined;
  /** Stores the new identity durably and makes every connection use it. */
  readonly onRenewed: (identity: Identity) => Promise<void>;
  readonly random: () => number;
  readonly log: Logger;
}

/** Replaces the agent's certificate, with a new key, long before it expires. The old one serves until the new one does. */
export class Renewal {
  readonly #options: RenewalOptions;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  start(): void {
    const { from, to } = validityOf(this.#options.identity());
    this.#wakeAt(renewalTime({ from, to }, this.#options.random));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #wakeAt(time: number): void {
    if (this.#isStopped) return;
    // A timer counts at most 24.8 days and sleeps through a suspended machine: wake at least daily and look again.
    const delay = Math.min(LONGEST_TIMER_MS, Math.max(0, time - Date.now()));
    this.#timer = setTimeout(() => {
      if (Date.now() < time) this.#wakeAt(time);
      else void this.#renew();
    }, delay);
  }

  async #renew(): Promise<void> {
    const { log } = this.#options;
    try {
      const renewed = await this.#request();
      if (this.#isStopped) return;
      await this.#options.onRenewed(renewed);
      log.info(
        { validTo: leafOf(renewed.certificateChain).validToDate.toISOString() },
        "certificate renewed",
      );
      this.start();
    } catch (error) {
      const { from, to } = validityOf(this.#options.identity());
      log.warn(
        { error: error instanceof Error ? error.message : "unknown" },
        "the certificate could not be renewed yet",
      );
      this.#wakeAt(Date.now() + (to - from) * RETRY_SHARE * (0.5 + this.#options.random()));
    }
  }

  async #request(): Promise<Identity> {
    const client = this.#options.client();
    if (!client) throw new Error("not connected to a control plane");
    const privateKey = generateCertificateKey();
    const certificateSigningRequest = createCertificateRequest(privateKey);
    const response = await new Promise<RenewCertificateResponse>((resolve, reject) => {
      const deadline = Date.now() + CALL_DEADLINE_MS;
      client.renewCertificate({ certificateSigningRequest }, new Metadata(), { deadline }, (error, renewed) =>
        error ? reject(error) : resolve(renewed),
      );
    });
    checkIssued(response, privateKey);
    return {
      ...this.#options.identity(),
      privateKey: exportKey(privateKey),
      certificateChain: response.certificateChain,
      caBundle: response.caBundle,
    };
  }
}

function validityOf(identity: Identity): { from: number; to: number } {
  const leaf = leafOf(identity.certificateChain);
  return { from: leaf.validFromDate.getTime(), to: leaf.validToDate.getTime() };
}
