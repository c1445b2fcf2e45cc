import { SkippedError, type Subject } from "./subject.js";
export async function startPeers(_: { targetUrl: string; scratch: string; say: (t: string) => void }): Promise<Subject[]> {
  throw new SkippedError("later");
}
