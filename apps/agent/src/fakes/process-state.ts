import { readFileSync } from "node:fs";

/** False for a zombie too: it is dead, only nobody has asked yet. */
export function isAlive(pid: number): boolean {
  try {
    const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
