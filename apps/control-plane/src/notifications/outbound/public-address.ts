import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { ConfigError } from "../../config.js";

type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Which addresses messages may be sent to: public ones, and those that the operator has named. */
export class AllowedReceivers {
  private readonly hosts = new Set<string>();
  private readonly networks: Network[] = [];

  /** @throws ConfigError for what is neither a host name nor an address nor a network */
  constructor(allowed: readonly string[]) {
    for (const item of allowed) {
      if (item.includes("/")) this.networks.push(networkOf(item));
      else if (isIP(item) !== 0) this.networks.push(networkOf(`${item}/${isIP(item) === 4 ? 32 : 128}`));
      else this.hosts.add(item.toLowerCase());
    }
  }

  /** Whether a host of this name may be any address. */
  allowsHost(host: string): boolean {
    return this.hosts.has(host.toLowerCase());
  }

  allowsAddress(address: string): boolean {
    return this.allows(address, isPublic);
  }

  /** Mail servers may be in private networks, and on this host. */
  allowsMailServer(address: string): boolean {
    return this.allows(address, (meant) => isPublic(meant) || isPrivate(meant));
  }

  private allows(address: string, isGood: (meant: ipaddr.IPv4 | ipaddr.IPv6) => boolean): boolean {
    const meant = meantBy(address);
    return meant !== undefined && (isGood(meant) || this.networks.some((network) => isIn(meant, network)));
  }
}

// Public by its number, and yet the host's own: what the virtual machines of Azure ask for their identity.
const NOT_PUBLIC = new Set(["168.63.129.16"]);
const GLOBAL_UNICAST: Network = [ipaddr.IPv6.parse("2000::"), 3];
const MAPPED: Network = [ipaddr.IPv6.parse("::ffff:0:0"), 96];
const NAT64: Network = [ipaddr.IPv6.parse("64:ff9b::"), 96];

/** The address at which a packet arrives: an IPv4 address may be written as an IPv6 one (RFC 4291, RFC 6052). */
function meantBy(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // With a zone it is of one interface: never public.
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  const address = ipaddr.parse(text);
  if (address.kind() === "ipv6" && (isIn(address, MAPPED) || isIn(address, NAT64))) {
    return new ipaddr.IPv4(address.toByteArray().slice(12));
  }
  return address;
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" ? !NOT_PUBLIC.has(address.toString()) : isIn(address, GLOBAL_UNICAST);
}

const PRIVATE = new Set(["private", "uniqueLocal", "carrierGradeNat", "loopback"]);
// Where clouds keep what a machine may know of itself, in networks that are private otherwise: Amazon, Alibaba.
const METADATA = new Set(["fd00:ec2::254", "100.100.100.200"]);

function isPrivate(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return PRIVATE.has(address.range()) && !METADATA.has(address.toString());
}

function isIn(address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

function networkOf(text: string): Network {
  try {
    return ipaddr.parseCIDR(text);
  } catch {
    throw new ConfigError(
      `invalid configuration\n  DRAWBRIDGE_NOTIFY_ALLOW: ${text} is no network; use one such as 10.1.0.0/16`,
    );
  }
}
