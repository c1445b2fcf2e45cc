/** What `node --cpu-prof` writes, as far as it is used here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds of the monotonic clock, which all processes of a machine share. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface SelfTime {
  readonly category: string;
  readonly name: string;
  readonly micros: number;
}

export interface Interval {
  readonly fromMicros: number;
  readonly toMicros: number;
}

/** Which part of the system a place in the code is. The first that matches. */
const CATEGORIES: readonly (readonly [RegExp, string])[] = [
  [/\/apps\/control-plane\/dist\/([a-z]+)\//, "own: $1"],
  [/\/apps\/agent\/dist\/([a-z]+)\//, "own: $1"],
  [/\/(?:apps|libs)\/([a-z-]+)\/dist\//, "own: $1"],
  [/@grpc\/grpc-js\//, "grpc-js"],
  [/@bufbuild\/protobuf\//, "protobuf"],
  [/\/node_modules\/pg[a-z-]*\//, "pg"],
  [/\/node_modules\/undici\//, "undici"],
  [/\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/, "$1"],
  [/^node:internal\/http2\//, "node: http2"],
  [/^node:_tls|^node:tls|internal\/tls/, "node: tls"],
  [/^node:_http|^node:http|internal\/http/, "node: http"],
  [/^node:internal\/crypto|^node:crypto/, "node: crypto"],
  [/^node:net|stream_base_commons/, "node: net"],
  [/^node:.*stream/, "node: streams"],
  [/^node:(?:internal\/)?(?:async_|timers|process\/task_queues|process\/promises)/, "node: tasks and timers"],
  [/^node:/, "node: other"],
];

const OF_THE_ENGINE = new Map([
  ["(garbage collector)", "garbage collection"],
  ["(program)", "native code and system calls"],
]);

/** The time each function itself took within the interval, most first, without the time in which nothing ran. */
export function selfTimes(profile: CpuProfile, interval: Interval): SelfTime[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  );
  const totals = new Map<string, SelfTime>();
  let at = profile.startTime;
  profile.samples.forEach((id, index) => {
    const micros = Math.max(0, profile.timeDeltas[index + 1] ?? 0);
    at += Math.max(0, profile.timeDeltas[index] ?? 0);
    const node = nodes.get(id);
    if (!node || at < interval.fromMicros || at > interval.toMicros) return;
    if (["(idle)", "(root)"].includes(node.callFrame.functionName)) return;
    const place = placeOf(node, { nodes, parents });
    const known = totals.get(place.key);
    totals.set(place.key, { ...place, micros: (known?.micros ?? 0) + micros });
  });
  return [...totals.values()].toSorted((a, b) => b.micros - a.micros);
}

interface Tree {
  readonly nodes: ReadonlyMap<number, ProfileNode>;
  readonly parents: ReadonlyMap<number, number>;
}

interface Place {
  readonly key: string;
  readonly category: string;
  readonly name: string;
}

function placeOf(node: ProfileNode, tree: Tree): Place {
  const { functionName, url, lineNumber } = node.callFrame;
  const engine = OF_THE_ENGINE.get(functionName);
  if (engine !== undefined) return { key: functionName, category: engine, name: functionName };
  const called = functionName === "" ? `(anonymous, line ${lineNumber + 1})` : functionName;
  const caller = nearestWithSource(node, tree);
  const category = categoryOf(caller?.url ?? "");
  const from = `, native, from ${caller?.functionName || "?"}`;
  const name = url === "" ? called + from : `${called} ${fileOf(url)}`;
  return { key: `${category} ${name}`, category, name };
}

/** A function of the engine itself counts for the code that called it. */
function nearestWithSource(
  node: ProfileNode,
  { nodes, parents }: Tree,
): ProfileNode["callFrame"] | undefined {
  let caller: ProfileNode | undefined = node;
  while (caller && caller.callFrame.url === "") caller = nodes.get(parents.get(caller.id) ?? -1);
  return caller?.callFrame;
}

function categoryOf(url: string): string {
  for (const [pattern, category] of CATEGORIES) {
    const match = pattern.exec(url);
    if (match) return category.replace("$1", match[1] ?? "");
  }
  return "native code and system calls";
}

function fileOf(url: string): string {
  return url.startsWith("node:") ? url : (url.split("/").at(-1) ?? "");
}

/** The categories, most first. */
export function byCategory(times: readonly SelfTime[]): { category: string; micros: number }[] {
  const totals = new Map<string, number>();
  for (const { category, micros } of times) totals.set(category, (totals.get(category) ?? 0) + micros);
  return [...totals]
    .map(([category, micros]) => ({ category, micros }))
    .toSorted((a, b) => b.micros - a.micros);
}
