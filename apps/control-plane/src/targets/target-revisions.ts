import { Injectable } from "@nestjs/common";
import { type LearnedVersions, TargetVersionsRepository } from "./target-versions.repository.js";
import type { Target } from "./targets.repository.js";

/** A target may be replaced by one that speaks more; its agent finds out when it is asked. */
const MAX_AGE_MS = 60 * 60_000;
/** Another control plane may have been told something newer. */
const MEMORY_MS = 60_000;
/** Of what an agent reports. */
const MAX_VERSIONS = 32;
const VERSION = /^[\w.-]{1,64}$/;

/** The revision here is that of its definition; the MCP revisions that it speaks are versions. */
type DefinedTarget = Pick<Target, "id" | "revision">;

interface Remembered {
  readonly learned: LearnedVersions;
  readonly readAt: number;
}

/** Which MCP revisions the targets speak, as far as their agents have found out lately. */
@Injectable()
export class TargetRevisions {
  private readonly memory = new Map<string, Remembered>();

  constructor(private readonly repository: TargetVersionsRepository) {}

  /** Undefined when it is not known: then its agent has to be asked, by opening a session. */
  async of(target: DefinedTarget): Promise<readonly string[] | undefined> {
    const learned = this.remembered(target.id) ?? (await this.read(target.id));
    return learned && isCurrent(learned, target) ? learned.versions : undefined;
  }

  /** What the agent of this target has just found out. */
  async learned(target: DefinedTarget, versions: readonly string[]): Promise<void> {
    const known = versions.filter((version) => VERSION.test(version)).slice(0, MAX_VERSIONS);
    const learned = { revision: target.revision, versions: known, learnedAt: new Date() };
    this.remember(target.id, learned);
    await this.repository.put(target.id, learned);
  }

  private remembered(targetId: string): LearnedVersions | undefined {
    const remembered = this.memory.get(targetId);
    return remembered && remembered.readAt > Date.now() - MEMORY_MS ? remembered.learned : undefined;
  }

  private async read(targetId: string): Promise<LearnedVersions | undefined> {
    const learned = await this.repository.find(targetId);
    if (learned) this.remember(targetId, learned);
    else this.memory.delete(targetId);
    return learned;
  }

  private remember(targetId: string, learned: LearnedVersions): void {
    this.memory.set(targetId, { learned, readAt: Date.now() });
  }
}

/** Learned of an earlier definition, it says nothing about this one. */
function isCurrent(learned: LearnedVersions, { revision }: DefinedTarget): boolean {
  return learned.revision === revision && learned.learnedAt.getTime() > Date.now() - MAX_AGE_MS;
}
