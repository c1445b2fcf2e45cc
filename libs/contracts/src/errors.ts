import { z } from "zod";

/**
 * Every way a request to the REST API can fail on purpose, with its HTTP status. The code is what a program
 * tests for and an operator searches for; it never changes its meaning.
 */
export const ERROR_STATUS = {
  invalid_request: 400,
  invalid_cursor: 400,
  invalid_idempotency_key: 400,
  not_signed_in: 401,
  token_invalid: 401,
  token_expired: 401,
  token_wrong_audience: 401,
  not_permitted: 403,
  locked: 403,
  sign_in_again: 403,
  own_request: 403,
  not_a_reviewer: 403,
  machine_cannot_review: 403,
  not_found: 404,
  agent_not_found: 404,
  join_token_not_found: 404,
  target_not_found: 404,
  policy_not_found: 404,
  tool_not_found: 404,
  session_not_found: 404,
  recording_not_found: 404,
  access_request_not_found: 404,
  grant_not_found: 404,
  approval_not_found: 404,
  lock_not_found: 404,
  notification_channel_not_found: 404,
  notification_delivery_not_found: 404,
  agent_name_taken: 409,
  tool_changed: 409,
  already_decided: 409,
  already_voted: 409,
  already_edited: 409,
  already_locked: 409,
  access_request_pending: 409,
  grant_not_active: 409,
  requester_absent: 409,
  idempotency_key_reused: 409,
  idempotency_key_in_use: 409,
  payload_too_large: 413,
  policy_invalid: 422,
  policy_not_enforceable: 422,
  target_invalid: 422,
  access_not_requestable: 422,
  access_request_invalid: 422,
  edit_invalid: 422,
  lock_invalid: 422,
  notification_channel_invalid: 422,
  too_many_backtests: 429,
  too_many_requests_pending: 429,
  too_many_event_streams: 429,
  internal_error: 500,
  recording_damaged: 500,
  identity_provider_unavailable: 503,
  database_unavailable: 503,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** A problem in one place of what was sent. */
export const ProblemDetail = z.object({
  path: z.string().meta({ description: "Where: a dotted path, or empty for the whole" }),
  message: z.string(),
  line: z.number().int().positive().optional(),
});
export type ProblemDetail = z.infer<typeof ProblemDetail>;

/** RFC 9457 problem details, with our stable `code`. */
export const Problem = z.object({
  type: z.string().meta({ description: "urn:drawbridge:error:<code>" }),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string().meta({ description: "What happened and what to do; never holds a secret" }),
  problems: z.array(ProblemDetail).optional(),
});
export type Problem = z.infer<typeof Problem>;
