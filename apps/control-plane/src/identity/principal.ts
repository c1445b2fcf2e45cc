import type { Role } from "@drawbridge/contracts";

/** Who is acting, from a verified token. Groups are those of this token, never remembered ones. */
export interface Principal {
  /** The token's `sub`. */
  readonly id: string;
  /** Only when the issuer says that it is verified. */
  readonly email: string | undefined;
  readonly groups: readonly string[];
  /** The OAuth client the token was issued to. */
  readonly client: string;
  readonly roles: readonly Role[];
  readonly expiresAt: Date;
  /** When the person last signed in, where the issuer says so. */
  readonly signedInAt: Date | undefined;
}
