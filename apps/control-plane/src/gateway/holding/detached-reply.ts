import type { ExchangeReply } from "../replies/reply.js";

/** The reply of a call that runs for who waits by a task: nobody hears it; the answer is read from the recording. */
export class DetachedReply implements ExchangeReply {
  readonly open = false;
  readonly resumable = false;

  whenClosed(): void {}
  begin(): void {}
  async push(): Promise<void> {}
  async finish(): Promise<void> {}
  async finishLarge(): Promise<void> {}
  finishEmpty(): void {}
  abandon(): void {}
  forgetSession(): void {}
}
