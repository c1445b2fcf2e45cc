import { type CanActivate, type ExecutionContext, Injectable } from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import type { Permission, Principal } from "../identity/index.js";
import { PUBLIC, REQUIRES } from "../platform/public-route.js";
import { LockedOut } from "./locked-out.js";

// Who it is that is locked may be asked: it is how people find out.
const OPEN_TO_LOCKED: Permission = "identity:read";

/**
 * Every route of the REST API but one is closed to who is locked. After ApiGuard, which finds out who asks: a guard of
 * its own because locks have routes, which need what ApiGuard is part of.
 */
@Injectable()
export class LockedGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly lockedOut: LockedOut,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = this.reflector.getAllAndOverride<string | undefined>(REQUIRES, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (required === PUBLIC || required === OPEN_TO_LOCKED) return true;
    const { principal } = context.switchToHttp().getRequest<{ principal?: Principal }>();
    if (!principal) throw new Error("who asks must be known before it is asked whether they are locked");
    await this.lockedOut.refuse(principal);
    return true;
  }
}
