import { Approvals, type HeldApproval } from "../../approvals/index.js";
import { inWords } from "./approval-words.js";
import type { Awaited, Watch } from "./awaited.js";

/** One approval, as what a leg waits for. */
export class AwaitedApproval implements Watch {
  constructor(
    private readonly approvals: Approvals,
    public approval: HeldApproval,
  ) {}

  get isOpen(): boolean {
    return this.approval.state === "pending" || this.approval.state === "approved";
  }

  get awaited(): Awaited {
    const { id, state, url, expiresAt } = this.approval;
    const given = state === "approved" ? "given" : "ended";
    return { id, url, expiresAt, state: state === "pending" ? "open" : given, said: inWords(this.approval) };
  }

  async changed(_known: Awaited, signal: AbortSignal): Promise<Awaited> {
    this.approval = await this.approvals.changed(this.approval, signal);
    return this.awaited;
  }
}
