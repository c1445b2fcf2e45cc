import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";

/** Writes a file only its owner can read. A crash leaves the old content or the new one, never half of it. */
export async function writePrivateFile(file: string, content: string): Promise<void> {
  const partial = `${file}.${randomBytes(6).toString("hex")}.partial`;
  await writeFile(partial, content, { mode: 0o600, flag: "wx", flush: true });
  await rename(partial, file);
}

/** The content of a file, or undefined when there is none. */
export async function readFileIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
