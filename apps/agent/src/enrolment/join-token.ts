import { usageError } from "../operator-error.js";

const TOKEN_SHAPE = /^(drawbridge-join-v1\.[A-Za-z0-9_-]{16,256})\.([0-9a-f]{64})$/;

/** What an operator copies from `drawbridge agents invite`: `drawbridge-join-v1.<token>.<SHA-256 of the CA certificate>`. */
export interface JoinToken {
  /** What the control plane is sent: the text without the fingerprint. */
  readonly secret: string;
  /** SHA-256 of the CA certificate's DER, 64 lower-case hex digits. */
  readonly caFingerprint: string;
}

export function parseJoinToken(text: string): JoinToken {
  const match = TOKEN_SHAPE.exec(text.trim());
  if (!match?.[1] || !match[2]) {
    throw usageError(
      "this is not a join token: copy the whole text `drawbridge agents invite` printed, from drawbridge-join-v1 to the last digit",
    );
  }
  return { secret: match[1], caFingerprint: match[2] };
}
