import { program, startAnnounced, STOP_WITHIN_MS } from "./programs.js";
import type { Subject } from "./subject.js";

/** The way that Drawbridge takes and nothing on it: HTTP, a gRPC stream that was dialled from inside, HTTP. */
export async function startBareNode(targetUrl: string): Promise<Subject> {
  const front = await startAnnounced({
    name: "the outer half of the bare proxy",
    args: [program("bare-front")],
  });
  const ports = JSON.parse(front.line) as { http: number; link: number };
  const args = [program("bare-back"), `127.0.0.1:${ports.link}`, targetUrl];
  const back = await startAnnounced({ name: "the inner half of the bare proxy", args }).catch(
    async (error: unknown) => {
      await front.child.stop(STOP_WITHIN_MS);
      throw error;
    },
  );
  return {
    name: "node",
    url: `http://127.0.0.1:${ports.http}/mcp`,
    headers: {},
    parts: async () => [
      { name: "outer half", pids: [front.child.pid] },
      { name: "inner half", pids: [back.child.pid] },
    ],
    stop: async () => {
      await back.child.stop(STOP_WITHIN_MS);
      await front.child.stop(STOP_WITHIN_MS);
    },
  };
}
