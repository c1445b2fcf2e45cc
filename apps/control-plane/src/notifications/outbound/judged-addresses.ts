import dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { AllowedReceivers } from "./public-address.js";

/** A receiver that must not be sent to. */
export class RefusedReceiverError extends Error {
  override readonly name = "RefusedReceiverError";
}

/** Finds the addresses of a host; `dns.lookup` but in tests. */
export type FindAddresses = (host: string) => Promise<readonly string[]>;

export const findAddresses: FindAddresses = async (host) =>
  (await dns.promises.lookup(host, { all: true })).map(({ address }) => address);

export interface Judging {
  readonly allowed: AllowedReceivers;
  readonly isGood: (address: string) => boolean;
  readonly find: FindAddresses;
  /** What is wrong with a host that has an address which is not good. */
  readonly refusal: (host: string) => RefusedReceiverError;
}

/** Resolves a host so that the connection goes to the very address that was judged. */
export function judgedLookup(judging: Judging): LookupFunction {
  return (host, options, callback) => {
    judged(host, judging).then(
      (addresses) => {
        const [first = { address: "", family: 4 }] = addresses;
        if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error as Error, [], 0),
    );
  };
}

/** Of what is an address itself, which nobody looks up. @throws RefusedReceiverError */
export function requireGoodAddress(host: string, { isGood, refusal }: Judging): void {
  if (isIP(host) !== 0 && !isGood(host)) throw refusal(host);
}

async function judged(
  host: string,
  { allowed, isGood, find, refusal }: Judging,
): Promise<{ address: string; family: number }[]> {
  const addresses = await find(host);
  if (addresses.length === 0) throw new Error(`the host ${host} has no address`);
  // One that is not allowed among others is no oversight.
  if (!allowed.allowsHost(host) && !addresses.every(isGood)) throw refusal(host);
  return addresses.map((address) => ({ address, family: isIP(address) }));
}
