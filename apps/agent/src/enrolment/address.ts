import { usageError } from "../operator-error.js";

/** Where a control plane listens for agents. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const HOST_AND_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;

/** Reads `host:port`, `[ipv6]:port`, or several of them with commas between. */
export function parseAddresses(text: string): Address[] {
  const addresses = text.split(",").map((part) => parseAddress(part.trim()));
  const distinct = new Map(addresses.map((address) => [formatAddress(address), address]));
  return [...distinct.values()];
}

function parseAddress(text: string): Address {
  const match = HOST_AND_PORT.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw usageError(
      `${JSON.stringify(text)} is not an address: write host:port, for example drawbridge.example.com:8443`,
    );
  }
  return { host, port };
}

/** The form gRPC and messages use; an IPv6 host is in brackets. */
export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
