import type { IncomingMessage } from "node:http";
import { type CanActivate, type ExecutionContext, Injectable } from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import { DomainError } from "../platform/errors.js";
import { REQUIRES } from "../platform/public-route.js";
import { ApiConditions } from "./api-conditions.js";
import { isPermitted, type Permission, PERMISSIONS } from "./permissions.js";
import type { AuthenticatedRequest } from "./requires.js";
import { tokenRefusal } from "./token-refusal.js";
import { TokenError, TokenVerifier } from "./token-verifier.js";

/** Every route of the REST API: a valid API token, the route's permission and what else must hold, or nothing. */
@Injectable()
export class ApiGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: TokenVerifier,
    private readonly conditions: ApiConditions,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = this.reflector.getAllAndOverride<Permission | "public" | undefined>(REQUIRES, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (required === "public") return true;
    if (!required || !(required in PERMISSIONS)) throw new Error("a route names no permission");

    const request = context.switchToHttp().getRequest<IncomingMessage & AuthenticatedRequest>();
    request.principal = await this.authenticate(request.headers.authorization);
    if (!isPermitted(request.principal.roles, required)) {
      throw new DomainError(
        "not_permitted",
        `this needs the permission ${required}, held by: ${PERMISSIONS[required].join(", ")}`,
      );
    }
    await this.conditions.check(request.principal, required);
    return true;
  }

  private async authenticate(authorization: string | undefined) {
    try {
      return await this.tokens.verify(authorization, "api");
    } catch (error) {
      if (error instanceof TokenError) throw tokenRefusal(error);
      throw error;
    }
  }
}
