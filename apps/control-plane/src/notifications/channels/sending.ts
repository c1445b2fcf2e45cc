/** What became of an attempt. gone: the receiver wants nothing more, ever. */
export type SendOutcome =
  | { readonly result: "delivered" }
  | { readonly result: "gone"; readonly error: string }
  | {
      readonly result: "failed";
      readonly error: string;
      /** As the receiver asked. */
      readonly retryAfterMs?: number | undefined;
    };
