import type { ErrorCode } from "@drawbridge/contracts";
import { DomainError } from "../platform/errors.js";
import type { TokenError, TokenProblem } from "./token-verifier.js";

const CODE = {
  missing: "not_signed_in",
  invalid: "token_invalid",
  expired: "token_expired",
  wrong_audience: "token_wrong_audience",
  unavailable: "identity_provider_unavailable",
} as const satisfies Record<TokenProblem, ErrorCode>;

/** What the API says of a token it refuses. */
export function tokenRefusal({ problem, message }: TokenError): DomainError {
  return new DomainError(CODE[problem], message);
}
