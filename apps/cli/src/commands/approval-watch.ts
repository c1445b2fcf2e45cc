import { ApprovalDetail, ApprovalPage, type ApprovalView, type EventMessage } from "@drawbridge/contracts";
import type { Command } from "commander";
import {
  approvalEventLine,
  approvalLines,
  approvalName,
  type ApprovalWithPreview,
} from "../approval-text.js";
import { CliError } from "../errors.js";
import { type LiveEvent, liveEvents } from "../event-stream.js";
import { persistently } from "../persistence.js";
import { connect, type Connection, type Shell } from "../shell.js";
import { SEARCHED, shortId } from "../short-ids.js";

export function addApprovalWatchCommand(approvals: Command, shell: Shell): void {
  approvals
    .command("watch")
    .description("show each operation that waits, as it comes, and what becomes of it; Ctrl-C ends it")
    .option("--json", "print JSON, one value a line")
    .addHelpText("after", "\nExample:\n  drawbridge approvals watch")
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const connection = await connect(shell, command);
      const watch = new Watch(shell, connection, json ?? false);
      try {
        for await (const message of liveEvents(shell, connection, { kinds: ["approval.*"] })) {
          await watch.hear(message);
        }
      } catch (error) {
        // Whoever watches ends it by Ctrl-C: that is no failure.
        if (!shell.signal.aborted) throw error;
      }
    });
}

class Watch {
  readonly #shell: Shell;
  readonly #connection: Connection;
  readonly #json: boolean;
  /** Those that were shown and are pending still, as far as is known. */
  readonly #shown = new Set<string>();
  #isUpToDate = false;

  constructor(shell: Shell, connection: Connection, json: boolean) {
    this.#shell = shell;
    this.#connection = connection;
    this.#json = json;
  }

  async hear(message: EventMessage): Promise<void> {
    if (message.type === "gap") {
      this.#shell.output.notice(message.says);
      this.#isUpToDate = false;
    } else if (message.type === "ready") {
      await this.#catchUp();
    } else if (message.kind === "approval.requested") {
      await this.#showById(message.subject, message);
    } else {
      this.#tell(message);
    }
  }

  /** What waited before anybody watched, and what a gap swallowed. The events are listened to already. */
  async #catchUp(): Promise<void> {
    if (this.#isUpToDate) return;
    const { output } = this.#shell;
    const query = { state: "pending" };
    const pending = await persistently(this.#shell.signal, () =>
      this.#connection.api.list<typeof ApprovalView>("/approvals", ApprovalPage, { limit: SEARCHED, query }),
    );
    for (const { id } of pending.toReversed()) await this.#showById(id, undefined);
    this.#isUpToDate = true;
    if (pending.length === 0) output.notice("nothing waits for an approval yet; watching (Ctrl-C ends it)");
  }

  async #showById(id: string, event: LiveEvent | undefined): Promise<void> {
    if (this.#shown.has(id)) return;
    const approval = await this.#read(id);
    if (approval === undefined) return event && this.#tell(event);
    this.#shown.add(id);
    this.#show(approval, event);
  }

  #show(approval: ApprovalWithPreview, event: LiveEvent | undefined): void {
    const { output } = this.#shell;
    if (this.#json) return output.jsonLine({ ...(event ?? { type: "pending" }), approval });
    output.line();
    output.line(`── ${approvalName(approval)}`);
    for (const line of approvalLines(approval)) output.line(line);
    if (approval.mayDecide) {
      const id = shortId(approval.id);
      output.line(`to decide: drawbridge approvals approve ${id}   or: … deny ${id} --comment TEXT`);
    }
  }

  #tell(event: LiveEvent): void {
    const { output } = this.#shell;
    if (!KEEPS_WAITING.has(event.kind)) this.#shown.delete(event.subject);
    if (this.#json) output.jsonLine(event);
    else output.line(approvalEventLine(event));
  }

  /** Undefined when it is not for whoever watches, or gone. */
  async #read(id: string): Promise<ApprovalWithPreview | undefined> {
    try {
      return await persistently(this.#shell.signal, () =>
        this.#connection.api.get(`/approvals/${encodeURIComponent(id)}`, ApprovalDetail),
      );
    } catch (error) {
      if (error instanceof CliError && error.code === "approval_not_found") return undefined;
      throw error;
    }
  }
}

const KEEPS_WAITING: ReadonlySet<string> = new Set(["approval.voted", "approval.escalated"]);
