import { createParamDecorator, type ExecutionContext, SetMetadata } from "@nestjs/common";
import type { Permission } from "./permissions.js";
import type { Principal } from "./principal.js";

export const REQUIRES = "drawbridge:requires";

/** The permission a route needs. A route without one (and without `@Public`) is refused to everybody. */
export const Requires = (permission: Permission) => SetMetadata(REQUIRES, permission);

/** A route that anybody may read: metadata that clients need before they can sign in, and health. */
export const Public = () => SetMetadata(REQUIRES, "public");

export interface AuthenticatedRequest {
  principal?: Principal;
}

/** The principal the guard found. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!principal) throw new Error("a route asks for a principal but requires none");
  return principal;
});
