import { createHmac } from "node:crypto";
import { Injectable, type OnModuleInit } from "@nestjs/common";
import {
  listEntries,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  METHODS,
  NotAListResultError,
} from "@drawbridge/mcp";
import { Clock } from "../../platform/clock.js";
import { Jobs } from "../../platform/jobs.js";
import { KeyEncryption } from "../../platform/key-encryption.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { listenFilter } from "./listen-filter.js";
import { TasksRepository } from "./tasks.repository.js";

const FORGET_EVERY_MS = 3_600_000;
const KEPT_MS = 30 * 86_400_000;
// A list of a target that never pages.
const MOST_AT_ONCE = 1_000;

/** Whose a session's tasks are: those of the principal and its client, in whatever session they were made. */
export type TaskOwner = Pick<GatewaySession, "targetId" | "principal" | "oauthClient">;

/**
 * A task outlives the session it was made in, and its id is all that a target asks for: who may use it is remembered
 * here, before the id is told. Of the id a keyed hash is kept.
 */
@Injectable()
export class TaskOwnership implements OnModuleInit {
  private readonly key: Buffer;

  constructor(
    private readonly repository: TasksRepository,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    keys: KeyEncryption,
  ) {
    this.key = keys.derive("task-id");
  }

  onModuleInit(): void {
    this.jobs.repeat("forget-tasks", FORGET_EVERY_MS, () => this.forgetOld());
  }

  async forgetOld(): Promise<void> {
    await this.repository.removeOlderThan(new Date(this.clock.now().getTime() - KEPT_MS));
  }

  /** Remembers whose the task is. */
  async remember(owner: TaskOwner, taskId: string): Promise<void> {
    const { targetId, principal, oauthClient } = owner;
    await this.repository.add(this.hash(owner, taskId), { targetId, principal, oauthClient });
  }

  /** Whether all the tasks that the message names are the owner's; undefined when it names none. */
  async ownsAllOf(owner: TaskOwner, message: McpRequest | McpNotification): Promise<boolean | undefined> {
    const named = tasksNamedBy(message);
    if (named === "none") return undefined;
    const theirs = named && (await this.ownedBy(owner, named));
    return theirs !== undefined && named?.every((taskId) => theirs.has(taskId)) === true;
  }

  /** Those tasks of a result of tasks/list that are the owner's. */
  async ownedIn(owner: TaskOwner, response: McpResponse): Promise<ReadonlySet<string>> {
    try {
      const ids = listEntries(response, "tasks").flatMap(({ name }) => (name === undefined ? [] : [name]));
      return await this.ownedBy(owner, ids);
    } catch (error) {
      if (error instanceof NotAListResultError) return new Set();
      throw error;
    }
  }

  private async ownedBy(owner: TaskOwner, taskIds: readonly string[]): Promise<ReadonlySet<string>> {
    const hashes = new Map(taskIds.slice(0, MOST_AT_ONCE).map((id) => [id, this.hash(owner, id)] as const));
    if (hashes.size === 0) return new Set();
    const stored = await this.repository.ownedOf([...hashes.values()], owner);
    const owned = new Set(stored.map(text));
    return new Set([...hashes].filter(([, hash]) => owned.has(text(hash))).map(([id]) => id));
  }

  private hash({ targetId }: TaskOwner, taskId: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(createHmac("sha256", this.key).update(`${targetId}\0${taskId}`).digest());
  }
}

function text(hash: Uint8Array): string {
  return Buffer.from(hash).toString("base64");
}

/** "none" where the message is about no task; undefined where it is about tasks, but nobody can say which. */
function tasksNamedBy(message: McpRequest | McpNotification): readonly string[] | "none" | undefined {
  if (message.method === "subscriptions/listen") return listenFilter(message, "taskIds");
  const governance = METHODS.get(message.method)?.governance;
  if (governance?.as !== "operation" || governance.name !== "taskId") return "none";
  // Without a name it is refused anyway.
  return message.name === undefined ? "none" : [message.name];
}
