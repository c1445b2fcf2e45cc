export interface Target {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What one request would do. */
export interface Operation {
  readonly target: Target;
  readonly method: string;
  /** Tool name, prompt name or resource URI; absent for methods that name nothing. */
  readonly name?: string | undefined;
}

export interface Principal {
  /** Unique over all issuers. */
  readonly id: string;
  /** From the token of this request, never remembered. */
  readonly groups: readonly string[];
  readonly email?: string | undefined;
  /** An e-mail the issuer has not verified names nobody. */
  readonly emailVerified?: boolean | undefined;
}

/** Who asks. Everything here is from verified tokens. */
export interface Context {
  readonly principal: Principal;
  readonly client: { readonly id: string };
  readonly workload?: { readonly id: string } | undefined;
}

export type Effect = "allow" | "deny" | "require_approval";

export interface Decision {
  readonly effect: Effect;
  /** The policy, its version and the rule that decided; absent when nothing matched. */
  readonly policy?: string;
  readonly version?: number;
  readonly rule?: string;
  /** One sentence a person understands. */
  readonly reason: string;
  /** The rule's own message. */
  readonly message?: string;
}
