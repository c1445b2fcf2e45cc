import type { Subject } from "./subject.js";

/** No one in between: the floor under every other number. */
export function startDirect(targetUrl: string): Subject {
  return { name: "direct", url: targetUrl, headers: {}, parts: async () => [], stop: async () => {} };
}
