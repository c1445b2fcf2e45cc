import { type AskedAccess, Scope } from "./conditions/scope.js";
import type { JitAccess } from "./document.js";
import type { Context, Target } from "./operation.js";
import { automaticCondition } from "./rule-condition.js";

/** Who asks for what, and when. */
export interface AccessQuestion extends Pick<Context, "principal" | "client"> {
  readonly target: Target;
  readonly request: AskedAccess;
  readonly now: Date;
}

/**
 * Whether nobody has to be asked for the access. False where the policy does not say so, and where its condition cannot
 * be decided; `onFailure` is told why, without a value of what was asked.
 */
export function automaticApproval(
  { automatic }: JitAccess,
  { target, request, ...context }: AccessQuestion,
  onFailure: (problem: string) => void = () => undefined,
): boolean {
  if (!automatic) return false;
  const outcome = automaticCondition(automatic.when)(new Scope({ target, method: "" }, context, { request }));
  if (typeof outcome === "boolean") return outcome;
  onFailure(outcome.problem);
  return false;
}
