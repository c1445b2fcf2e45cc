import { open, rm } from "node:fs/promises";
import { processIdentity, readFileIfPresent } from "@drawbridge/embedded";

/** Lets one launcher at a time use the folder; a lock whose process is gone does not count. */
export async function takeStartLock(file: string): Promise<() => Promise<void>> {
  for (let tries = 0; tries < 5; tries++) {
    try {
      const handle = await open(file, "wx", 0o600);
      await handle.writeFile(
        JSON.stringify({ pid: process.pid, identity: await processIdentity(process.pid) }),
      );
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    await removeStaleLock(file);
  }
  throw new Error(`cannot take the lock ${file}; remove it if no Drawbridge runs here`);
}

async function removeStaleLock(file: string): Promise<void> {
  const holder = parseHolder(await readFileIfPresent(file));
  if (holder !== undefined && (await processIdentity(holder.pid)) === holder.identity) {
    throw new Error(
      `Drawbridge runs here already (process ${holder.pid}): use it, stop it, or start another with ` +
        "DRAWBRIDGE_HOME=/another/folder npm start -- --port 9080",
    );
  }
  await rm(file, { force: true });
}

function parseHolder(text: string | undefined): { pid: number; identity: string } | undefined {
  try {
    return JSON.parse(text ?? "") as { pid: number; identity: string };
  } catch {
    return undefined; // written halfway by a start that was killed
  }
}
