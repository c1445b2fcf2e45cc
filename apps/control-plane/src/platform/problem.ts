import { ERROR_STATUS, type ErrorCode, type Problem, type ProblemDetail } from "@drawbridge/contracts";

/** RFC 9457. */
export function problemOf(code: ErrorCode, detail: string, problems: readonly ProblemDetail[] = []): Problem {
  return {
    type: `urn:drawbridge:error:${code}`,
    title: code.replaceAll("_", " "),
    status: ERROR_STATUS[code],
    code,
    detail,
    ...(problems.length > 0 ? { problems: [...problems] } : {}),
  };
}
