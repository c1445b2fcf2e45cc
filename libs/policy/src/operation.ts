import type { ShellFacts, SqlFacts } from "@drawbridge/commands/facts";
import type { ReviewTerms } from "./review.js";

export interface Target {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What one request would do. What costs something to know is asked for only when a condition needs it, and once. */
export interface Operation {
  readonly target: Target;
  readonly method: string;
  /** Tool name, prompt name or resource URI; absent for methods that name nothing. */
  readonly name?: string | undefined;
  /**
   * The arguments as JSON. Anything in them that is not plain JSON, such as a number that a double cannot hold, makes a
   * condition fail that looks at it. Without the member the operation has none.
   */
  readonly arguments?: (() => unknown) | undefined;
  /** The accepted definition of the tool; absent where none is known. */
  readonly tool?: ToolDefinition | undefined;
  /** What its command would do; undefined when no argument of it is SQL. */
  readonly sql?: (() => SqlFacts | undefined) | undefined;
  readonly shell?: (() => ShellFacts | undefined) | undefined;
}

/** As the target describes it: claims, all but the name. */
export interface ToolDefinition {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** JSON. */
  readonly inputSchema?: unknown;
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
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

/** What has happened in the session so far, this operation not counted. */
export interface SessionUsage {
  /** Operations that were allowed. */
  readonly calls: number;
  /** Of tools/call, by tool. */
  readonly callsOf: (tool: string) => number;
  /** Of all results; undefined where it is not known any more: a condition that asks for it fails. */
  readonly resultBytes: number | undefined;
  readonly ageSeconds: number;
}

/** Access for a while, which the rules of a policy with `access.mode: jit` need. */
export interface Grant {
  readonly id: string;
  /** The policy whose rules it opens. */
  readonly policy: string;
  /** Globs: of tools/call only these tools, and nothing but tools/call. Absent: everything of the target. */
  readonly tools?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly ticket?: string | undefined;
  readonly breakGlass: boolean;
  readonly startsAt: Date;
  readonly endsAt: Date;
}

/** Who asks, and when. Who it is comes from verified tokens, but for the name of the client: that is a claim. */
export interface Context {
  readonly principal: Principal;
  readonly client: { readonly id: string; readonly name?: string | undefined };
  readonly workload?: { readonly id: string } | undefined;
  readonly session?: SessionUsage | undefined;
  /** Those of the principal at this target, in force or not: which are is told by `now`. */
  readonly grants?: readonly Grant[] | undefined;
  /** The moment of the decision; the present unless given. */
  readonly now?: Date | undefined;
  /** When grants are looked at, where that is not `now`: what was asked earlier is decided again under those of today. */
  readonly grantsAt?: Date | undefined;
}

export type Effect = "allow" | "deny" | "require_approval";

/** What a limit counts apart. principal: each person or workload; target: everybody together; tool: everybody together, each tool. */
export const LIMIT_SCOPES = ["principal", "session", "target", "tool"] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

/** A limit that holds for an operation: that of any rule that matches and does not deny. */
export interface AppliedLimit {
  readonly policy: string;
  readonly rule: string;
  readonly per: LimitScope;
  readonly calls?: { readonly count: number; readonly windowMs: number };
  readonly resultBytes?: { readonly bytes: number; readonly windowMs: number };
  /** At the same time. */
  readonly concurrent?: number;
}

/** A rule whose condition could not be evaluated; it denies. */
export interface FailedCondition {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  /** Never holds a value of the operation. */
  readonly problem: string;
}

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
  /** Only when it is not denied. */
  readonly limits?: readonly AppliedLimit[];
  /** Only when it asks for an approval: who is asked. */
  readonly review?: ReviewTerms;
  /** Under which access was given; absent where a policy with standing access, or none, decided. */
  readonly grant?: Grant;
  /** Only when it is denied: the policies with which it would not be, if the principal had a grant. */
  readonly requestable?: readonly string[];
  /** Conditions that failed, the decisive one among them. */
  readonly failed?: readonly FailedCondition[];
}
