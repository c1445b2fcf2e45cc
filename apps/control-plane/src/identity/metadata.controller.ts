import { Controller, Get, Inject, Param, SerializeOptions } from "@nestjs/common";
import { PublicInfo, WhoAmI } from "@drawbridge/contracts";
import { z } from "zod";
import { CONFIG, type Config } from "../config.js";
import { Public } from "../platform/public-route.js";
import { VERSION } from "../platform/version.js";
import type { Principal } from "./principal.js";
import { ProtectedResource, protectedResource } from "./protected-resource.js";
import { CurrentPrincipal, Requires } from "./requires.js";

/** What a client reads before it has a token: RFC 9728 at the root and at the path-inserted addresses. */
@Controller(".well-known/oauth-protected-resource")
export class ProtectedResourceController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get()
  @Public()
  @SerializeOptions({ schema: ProtectedResource })
  root() {
    return protectedResource(this.config);
  }

  @Get("mcp")
  @Public()
  @SerializeOptions({ schema: ProtectedResource })
  mcp() {
    return protectedResource(this.config);
  }

  /** One resource for all targets: whether a target exists is not told here. */
  @Get("mcp/:target")
  @Public()
  @SerializeOptions({ schema: ProtectedResource })
  target(@Param("target", { schema: z.string().max(63) }) _target: string) {
    return protectedResource(this.config);
  }
}

@Controller("api/v1")
export class IdentityController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get("info")
  @Public()
  @SerializeOptions({ schema: PublicInfo })
  info(): PublicInfo {
    const { issuer, clientId, apiAudience, mcpAudience } = this.config.oidc;
    return {
      product: "drawbridge",
      version: VERSION,
      issuer,
      oauthClient: clientId,
      apiAudience,
      mcpAudience,
    };
  }

  @Get("whoami")
  @Requires("identity:read")
  @SerializeOptions({ schema: WhoAmI })
  whoami(@CurrentPrincipal() principal: Principal): WhoAmI {
    return {
      principal: principal.id,
      email: principal.email ?? null,
      groups: [...principal.groups],
      roles: [...principal.roles],
      oauthClient: principal.client,
      expiresAt: principal.expiresAt.toISOString(),
    };
  }
}
