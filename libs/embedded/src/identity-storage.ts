import path from "node:path";
import type { Adapter, AdapterPayload } from "oidc-provider";
import { readFileIfPresent, writePrivateFile } from "./private-file.js";

interface Entry {
  payload: AdapterPayload;
  /** Milliseconds since 1970; null for what does not expire (registered clients). */
  expiresAt: number | null;
}

const SAVE_AFTER_MS = 100;

/**
 * What the identity provider remembers: sessions, refresh tokens, registered clients. Kept in one file, because a
 * restart of the demo should not sign everybody out. A lost last moment costs one sign-in, so writes are gathered.
 */
export class IdentityStorage {
  readonly #file: string | undefined;
  readonly #entries: Map<string, Entry>;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(file: string | undefined, entries: Map<string, Entry>) {
    this.#file = file;
    this.#entries = entries;
  }

  /** Without a directory nothing outlives the process. */
  static async open(directory: string | undefined): Promise<IdentityStorage> {
    if (directory === undefined) return new IdentityStorage(undefined, new Map());
    const file = path.join(directory, "sessions.json");
    const text = (await readFileIfPresent(file)) ?? "[]";
    return new IdentityStorage(file, new Map(JSON.parse(text) as [string, Entry][]));
  }

  /** The adapter that oidc-provider wants for one of its models. */
  adapter(model: string): Adapter {
    const key = (id: string): string => `${model}:${id}`;
    return {
      find: async (id) => this.#get(key(id)),
      findByUid: async (uid) => this.#search(model, (payload) => payload.uid === uid),
      findByUserCode: async (code) => this.#search(model, (payload) => payload.userCode === code),
      upsert: async (id, payload, expiresIn) => {
        const expiresAt = expiresIn === undefined ? null : Date.now() + expiresIn * 1000;
        this.#entries.set(key(id), { payload, expiresAt });
        this.#saveSoon();
      },
      consume: async (id) => {
        const payload = this.#get(key(id));
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
        this.#saveSoon();
      },
      destroy: async (id) => {
        this.#entries.delete(key(id));
        this.#saveSoon();
      },
      revokeByGrantId: async (grantId) => {
        for (const [name, { payload }] of this.#entries) {
          if (payload.grantId === grantId && !name.startsWith("Session:")) this.#entries.delete(name);
        }
        this.#saveSoon();
      },
    };
  }

  /** Writes what has not been written yet. */
  async close(): Promise<void> {
    await this.#saving;
    if (this.#timer !== undefined) await this.#save();
  }

  #get(name: string): AdapterPayload | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.expiresAt === null || entry.expiresAt > Date.now()) return entry.payload;
    this.#entries.delete(name);
    return undefined;
  }

  #search(model: string, matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [name, { payload }] of this.#entries) {
      if (name.startsWith(`${model}:`) && matches(payload)) return this.#get(name);
    }
    return undefined;
  }

  #saveSoon(): void {
    if (this.#file === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      // A full disk must not end the demo: the next change tries again.
      this.#saving = this.#save().catch(() => {});
    }, SAVE_AFTER_MS);
  }

  async #save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#file === undefined) return;
    for (const name of this.#entries.keys()) this.#get(name); // drops what has expired
    await writePrivateFile(this.#file, JSON.stringify([...this.#entries]));
  }
}
