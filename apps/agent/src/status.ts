import { type Address, formatAddress } from "./enrolment/address.js";
import { leafOf } from "./enrolment/identity.js";
import type { StateDirectory } from "./enrolment/state-directory.js";

/** What `drawbridge-agent status --json` prints. */
export type AgentStatus =
  | { readonly joined: false }
  | {
      readonly joined: true;
      readonly agentId: string;
      readonly name: string;
      readonly group: string;
      readonly controlPlane: readonly string[];
      readonly certificate: {
        readonly serialNumber: string;
        readonly validFrom: string;
        readonly validTo: string;
        readonly expired: boolean;
      };
    };

export async function readStatus(state: StateDirectory, now: Date): Promise<AgentStatus> {
  const identity = await state.load();
  if (!identity) return { joined: false };
  const leaf = leafOf(identity.certificateChain);
  return {
    joined: true,
    agentId: identity.agentId,
    name: identity.agentName,
    group: identity.agentGroup,
    controlPlane: identity.controlPlane.map((address: Address) => formatAddress(address)),
    certificate: {
      serialNumber: leaf.serialNumber,
      validFrom: leaf.validFromDate.toISOString(),
      validTo: leaf.validToDate.toISOString(),
      expired: leaf.validToDate < now,
    },
  };
}

/** The same for people. */
export function describeStatus(status: AgentStatus): string {
  if (!status.joined)
    return "not joined: run `drawbridge-agent join` with a token from `drawbridge agents invite`\n";
  const { certificate } = status;
  return [
    `agent          ${status.name} (${status.agentId}) of group ${status.group}`,
    `control plane  ${status.controlPlane.join(", ")}`,
    `certificate    ${certificate.serialNumber}, ${certificate.expired ? "EXPIRED" : "valid"} until ${certificate.validTo}`,
    "",
  ].join("\n");
}
