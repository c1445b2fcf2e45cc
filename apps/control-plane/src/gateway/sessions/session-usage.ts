import type { McpNotification, McpRequest } from "@drawbridge/mcp";
import type { SessionUsage } from "@drawbridge/policy";

type Message = Pick<McpRequest | McpNotification, "method" | "name">;

/** What an earlier process counted of a session, as far as the recording tells. */
export interface CallsSoFar {
  readonly calls: number;
  readonly byTool: ReadonlyMap<string, number>;
}

// A rule for every tool lets a client make names up.
const MOST_TOOLS = 10_000;

/** What has happened in a session so far, for conditions. */
export class UsageOfSession {
  private calls: number;
  private readonly byTool: Map<string, number>;
  private resultBytes: number | undefined;

  /** `before`: of another process that has served the session; how much its results were is not known any more. */
  constructor(
    private readonly openedAt: Date,
    before?: CallsSoFar,
  ) {
    this.calls = before?.calls ?? 0;
    this.byTool = new Map([...(before?.byTool ?? [])].slice(0, MOST_TOOLS));
    this.resultBytes = before ? undefined : 0;
  }

  /** An operation is allowed. Before anything is waited for, so that those at the same time see each other. */
  count(message: Message): void {
    this.add(message, 1);
  }

  /** It did not run after all. */
  takeBack(message: Message): void {
    this.add(message, -1);
  }

  countResult(bytes: number): void {
    if (this.resultBytes !== undefined) this.resultBytes += bytes;
  }

  /**
   * As one operation finds it: it stays so when that is decided about again, however much has happened since. Of tools
   * that nobody asked about at first it is what is counted when somebody does.
   */
  seenBy(operation: Message, now: Date): SessionUsage {
    const { calls, resultBytes } = this;
    const ageSeconds = Math.max(0, Math.floor((now.getTime() - this.openedAt.getTime()) / 1000));
    const asked = new Map<string, number>();
    if (operation.method === "tools/call" && operation.name !== undefined)
      asked.set(operation.name, this.byTool.get(operation.name) ?? 0);
    const callsOf = (tool: string) => {
      const count = asked.get(tool) ?? this.callsOf(tool);
      asked.set(tool, count);
      return count;
    };
    return { calls, callsOf, resultBytes, ageSeconds };
  }

  /**
   * The same for one that is counted already, where nobody knows any more how it found the session: without itself, but
   * with what came after it.
   */
  seenAgainBy(operation: Message, now: Date): SessionUsage {
    const seen = this.seenBy(operation, now);
    const isItself = (tool: string) => operation.method === "tools/call" && operation.name === tool;
    const callsOf = (tool: string) => Math.max(0, seen.callsOf(tool) - (isItself(tool) ? 1 : 0));
    return { ...seen, calls: Math.max(0, seen.calls - 1), callsOf };
  }

  /** @throws when it cannot be said any more: a condition that depends on it fails */
  private callsOf(tool: string): number {
    const count = this.byTool.get(tool);
    if (count === undefined && this.byTool.size >= MOST_TOOLS)
      throw new Error("the session has called too many tools to say how often");
    return count ?? 0;
  }

  private add({ method, name }: Message, count: number): void {
    this.calls += count;
    if (method !== "tools/call" || name === undefined) return;
    const before = this.byTool.get(name);
    if (before === undefined && this.byTool.size >= MOST_TOOLS) return;
    this.byTool.set(name, Math.max(0, (before ?? 0) + count));
  }
}
