import type { PublicInfo } from "@drawbridge/contracts";
import { isSafeForTokens } from "../control-plane-url.js";
import { CliError } from "../errors.js";

/**
 * A control plane names the audiences of its tokens itself. One that named another's would be sent tokens that open
 * the other's door, so an audience has to be an address of this control plane, or be accepted by the user by name.
 */
export function checkAudiences(url: string, info: PublicInfo, accepted: readonly string[]): void {
  for (const audience of [info.apiAudience, info.mcpAudience]) {
    if (accepted.includes(audience)) continue;
    const address = URL.parse(audience);
    if (address?.origin === new URL(url).origin) continue;
    throw new CliError(`the control plane at ${url} asks for tokens for ${audience}`, {
      details: [
        address !== null && isSafeForTokens(address)
          ? `if that is where it belongs: drawbridge login --url ${address.origin}`
          : "an administrator can tell whether that is right",
        `if you trust it with these tokens: drawbridge login --audience ${audience}`,
      ],
    });
  }
}
