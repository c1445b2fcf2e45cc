/** What a call waits for: an approval of it, or access that was asked for on its behalf. */
export interface Awaited {
  readonly id: string;
  /** open: somebody has still to decide. given: it may be decided again, and go on. ended: it may not, `why` says why not. */
  readonly state: "open" | "given" | "ended";
  /** One sentence for the caller: what it waits for and where that is decided. Of what ended: why. */
  readonly said: string;
  /** For people: where it is decided. */
  readonly url: string;
  readonly expiresAt: Date;
}

/** Tells how one thing that is waited for stands. */
export interface Watch {
  /** Resolves with how it stands once that is not what is known; rejects when the signal aborts. */
  changed(known: Awaited, signal: AbortSignal): Promise<Awaited>;
}
