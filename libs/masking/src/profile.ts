/** What a placeholder can say it stands for: `[REDACTED:kind]`. */
export const KINDS = [
  "password",
  "secret",
  "token",
  "jwt",
  "private-key",
  "cookie",
  "password-hash",
  "card",
  "cvv",
  "pin",
  "iban",
  "ssn",
  "email",
] as const;

export type Kind = (typeof KINDS)[number];

/** What to mask and how much work that may be. The empty profile is the default one: everything is masked. */
export interface MaskingProfile {
  /** Kinds to leave as they are. */
  readonly except?: readonly Kind[];
  /** Longest message or text, in bytes of UTF-8. */
  readonly maxBytes?: number;
  /** Deepest nesting of objects and arrays. */
  readonly maxDepth?: number;
  /** Longest time for one message, in milliseconds. Checked between pieces of work, each of which is linear. */
  readonly maxMillis?: number;
}

export const DEFAULT_LIMITS = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 256,
  maxMillis: 5_000,
} as const;

const PLACEHOLDER_HEAD = "[REDACTED:";

/** Has no character that JSON escapes, so that it can stand at any depth of strings in strings. */
export function placeholder(kind: Kind): string {
  return `${PLACEHOLDER_HEAD}${kind}]`;
}

export function startsWithPlaceholder(text: string): boolean {
  return text.startsWith(PLACEHOLDER_HEAD);
}
