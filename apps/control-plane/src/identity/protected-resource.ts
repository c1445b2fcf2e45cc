import { z } from "zod";
import type { Config } from "../config.js";

/** OAuth 2.0 Protected Resource Metadata, RFC 9728 section 2. */
export const ProtectedResource = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()),
  scopes_supported: z.array(z.string()),
  bearer_methods_supported: z.array(z.string()),
  resource_name: z.string(),
});

/** All targets are one resource, so that one sign-in serves them all; policy says which of them a principal may use. */
export function protectedResource(config: Config): z.infer<typeof ProtectedResource> {
  return {
    resource: config.oidc.mcpAudience,
    authorization_servers: [config.oidc.issuer],
    scopes_supported: ["mcp"],
    bearer_methods_supported: ["header"],
    resource_name: "Drawbridge",
  };
}

/** RFC 9728 section 5.1: where the metadata for the resource at `path` is, quoted as clients parse it. */
export function bearerChallenge(config: Config, path: string, error?: string): string {
  const metadata = `${config.publicUrl}/.well-known/oauth-protected-resource${path}`;
  const reason = error ? `, error="invalid_token", error_description="${error}"` : "";
  return `Bearer resource_metadata="${metadata}", scope="mcp"${reason}`;
}
