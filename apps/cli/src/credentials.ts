import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { CliError } from "./errors.js";
import { withFileLock } from "./file-lock.js";

const Token = z.object({ value: z.string(), expiresAt: z.number().int() });

/** One sign-in: what it was for, and its tokens. */
const Credential = z.object({
  issuer: z.url(),
  oauthClient: z.string(),
  apiAudience: z.string(),
  mcpAudience: z.string(),
  refreshToken: z.string(),
  apiToken: Token.optional(),
  mcpToken: Token.optional(),
  /** How it was done, to do it again the same way. */
  how: z
    .object({ as: z.string().optional(), device: z.boolean().optional(), browser: z.boolean().optional() })
    .optional(),
});
export type Credential = z.infer<typeof Credential>;
/** `expiresAt` is in milliseconds since 1970. */
export type Token = z.infer<typeof Token>;

const CredentialFile = z.object({
  version: z.literal(1),
  /** The control plane of the newest sign-in, used when no `--url` is given. */
  current: z.string().optional(),
  controlPlanes: z.record(z.string(), Credential),
});
type CredentialFile = z.infer<typeof CredentialFile>;

/** The sign-ins of this user, by control plane, in a file that nobody else can read. */
export class CredentialStore {
  readonly #directory: string;
  readonly #file: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#file = path.join(directory, "credentials.json");
  }

  async current(): Promise<string | undefined> {
    return (await this.#read()).current;
  }

  async find(url: string): Promise<Credential | undefined> {
    return (await this.#read()).controlPlanes[url];
  }

  /** Keeps a new sign-in and makes its control plane the current one. */
  async save(url: string, credential: Credential): Promise<void> {
    await this.#locked(async (file) => {
      await this.#write({
        ...file,
        current: url,
        controlPlanes: { ...file.controlPlanes, [url]: credential },
      });
    });
  }

  /** Forgets a sign-in. Answers what it was. */
  async remove(url: string): Promise<Credential | undefined> {
    return this.#locked(async ({ current, controlPlanes: { [url]: removed, ...controlPlanes } }) => {
      const stays = current === undefined || current === url ? {} : { current };
      if (removed !== undefined) await this.#write({ version: 1, ...stays, controlPlanes });
      return removed;
    });
  }

  /**
   * Replaces a sign-in by what `change` makes of it, while no other command can: a refresh token may be used once only,
   * so two commands must not both use it.
   */
  async change(
    url: string,
    change: (credential: Credential | undefined) => Promise<Credential>,
  ): Promise<Credential> {
    return this.#locked(async (file) => {
      const before = file.controlPlanes[url];
      const after = await change(before);
      if (after !== before)
        await this.#write({ ...file, controlPlanes: { ...file.controlPlanes, [url]: after } });
      return after;
    });
  }

  async #locked<Result>(work: (file: CredentialFile) => Promise<Result>): Promise<Result> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    return withFileLock(`${this.#file}.lock`, async () => work(await this.#read()));
  }

  async #read(): Promise<CredentialFile> {
    const text = await this.#readText();
    if (text === undefined) return { version: 1, controlPlanes: {} };
    try {
      return CredentialFile.parse(JSON.parse(text));
    } catch (error) {
      throw new CliError(`${this.#file} is damaged; delete it and sign in again: drawbridge login`, {
        cause: error,
      });
    }
  }

  async #readText(): Promise<string | undefined> {
    try {
      const { mode } = await stat(this.#file);
      if (process.platform !== "win32" && (mode & 0o077) !== 0) {
        throw new CliError(
          `others can read ${this.#file}, so its tokens may be known; delete it and sign in again: drawbridge login`,
        );
      }
      return await readFile(this.#file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** A crash leaves the old file or the new one, never half of it. */
  async #write(file: CredentialFile): Promise<void> {
    const partial = `${this.#file}.${randomBytes(6).toString("hex")}.partial`;
    try {
      const handle = await open(partial, "wx", 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(partial, this.#file);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }
}
