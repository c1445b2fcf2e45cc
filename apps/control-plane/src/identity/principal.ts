import type { Role } from "@drawbridge/contracts";

/** Who is acting, from a verified token. Groups are those of this token, never remembered ones. */
export interface Principal {
  /** The token's `sub`. */
  readonly id: string;
  /** Only when the issuer says that it is verified. */
  readonly email: string | undefined;
  readonly groups: readonly string[];
  /**
   * All by which the people behind the token are known, each with its kind: `sub:`, `person:` (OIDC_PERSON_CLAIM),
   * `email:` (verified, in lower case), and those on whose behalf it acts or who own it. Two principals that share one
   * are the same person where one must not decide about the other.
   */
  readonly identities: readonly string[];
  /** Nobody signed in for it by themselves: client credentials, or a program that acts for somebody. */
  readonly isMachine: boolean;
  /** The OAuth client the token was issued to. */
  readonly client: string;
  readonly roles: readonly Role[];
  readonly expiresAt: Date;
  /** When the person last signed in, where the issuer says so. */
  readonly signedInAt: Date | undefined;
}
