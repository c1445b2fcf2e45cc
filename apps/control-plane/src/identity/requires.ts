import { createParamDecorator, type ExecutionContext, SetMetadata } from "@nestjs/common";
import { REQUIRES } from "../platform/public-route.js";
import type { Permission } from "./permissions.js";
import type { Principal } from "./principal.js";

/** The permission a route needs. A route without one (and without `@Public`) is refused to everybody. */
export const Requires = (permission: Permission) => SetMetadata(REQUIRES, permission);

export interface AuthenticatedRequest {
  principal?: Principal;
}

/** The principal the guard found. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!principal) throw new Error("a route asks for a principal but requires none");
  return principal;
});
