import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { failure, usageError } from "../operator-error.js";
import type { Identity } from "./identity.js";

const FILE = "identity.json";
const FORMAT = 1;

/** Where the agent keeps its identity: a private directory with one file, so that a renewal is one rename. */
export class StateDirectory {
  readonly path: string;

  constructor(directory: string) {
    this.path = path.resolve(directory);
  }

  /** The working directory of children that name none: private, and empty as far as the agent is concerned. */
  async childDirectory(): Promise<string> {
    const directory = path.join(this.path, "children");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  async hasIdentity(): Promise<boolean> {
    return stat(this.#file).then(
      () => true,
      () => false,
    );
  }

  /** Undefined when the agent has not joined. Refuses a file others can read: its key can no longer be trusted. */
  async load(): Promise<Identity | undefined> {
    const text = await readFile(this.#file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw failure(`cannot read ${this.#file}: ${error.code ?? "unknown error"}`, error);
    });
    if (text === undefined) return undefined;
    const { mode } = await stat(this.#file);
    if ((mode & 0o077) !== 0) {
      throw failure(
        `${this.#file} can be read by other users, so its key may be known: join again with --force`,
      );
    }
    return parseIdentity(text, this.#file);
  }

  /** Survives a crash at any moment: afterwards either the old identity or the new one is there, whole. */
  async save(identity: Identity): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await chmod(this.path, 0o700);
    const temporary = `${this.#file}.${process.pid}.tmp`;
    try {
      const file = await open(temporary, "w", 0o600);
      try {
        await file.chmod(0o600);
        await file.writeFile(JSON.stringify({ format: FORMAT, ...identity }, null, 2));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#file);
      await syncDirectory(this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  get #file(): string {
    return path.join(this.path, FILE);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseIdentity(text: string, file: string): Identity {
  const stored = parseJson(text);
  if (stored?.["format"] !== FORMAT || !isIdentity(stored)) {
    throw usageError(`${file} is damaged or was written by another version: join again with --force`);
  }
  return stored;
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const TEXT_FIELDS = [
  "agentId",
  "agentName",
  "agentGroup",
  "privateKey",
  "certificateChain",
  "caBundle",
  "sealingKey",
] as const satisfies readonly (keyof Identity)[];

function isIdentity(stored: Record<string, unknown>): stored is Record<string, unknown> & Identity {
  return (
    TEXT_FIELDS.every((field) => typeof stored[field] === "string") && Array.isArray(stored["controlPlane"])
  );
}
