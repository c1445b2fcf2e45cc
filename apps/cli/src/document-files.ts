import { readFile } from "node:fs/promises";
import { CliError } from "./errors.js";
import type { Shell } from "./shell.js";

const MAX_BYTES = 1024 * 1024;

/** The text of a file, or of standard input for `-`. */
export async function readDocumentFile(file: string, shell: Pick<Shell, "stdin">): Promise<string> {
  const bytes = file === "-" ? await readAll(shell.stdin) : await readNamed(file);
  if (bytes.byteLength > MAX_BYTES) throw new CliError(`${nameOf(file)} is larger than 1 MiB`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CliError(`${nameOf(file)} is not UTF-8 text`, { cause: error });
  }
}

/** How a message calls the file. */
export function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}

async function readNamed(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > MAX_BYTES) break;
  }
  return Buffer.concat(chunks);
}
