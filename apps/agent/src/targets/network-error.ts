/** Errors before a byte of the request could leave: a header no request can have, name resolution, connecting, TLS. */
const BEFORE_SENDING = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_INVALID_ARG",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

export function certainlyNotSent(error: unknown): boolean {
  return causesOf(error).some(
    (cause) =>
      BEFORE_SENDING.has(cause.code ?? "") || cause.syscall === "connect" || cause.syscall === "getaddrinfo",
  );
}

/** The code only: messages may hold addresses and header values. */
export function describeNetworkError(error: unknown): string {
  const codes = causesOf(error).flatMap((cause) => cause.code ?? []);
  return codes[0] ?? "no further detail";
}

function causesOf(error: unknown): NodeJS.ErrnoException[] {
  const found: NodeJS.ErrnoException[] = [];
  const pending = [error];
  while (pending.length > 0 && found.length < 16) {
    const next = pending.shift();
    if (!(next instanceof Error)) continue;
    found.push(next);
    pending.push(next.cause, ...(next instanceof AggregateError ? (next.errors as unknown[]) : []));
  }
  return found;
}
