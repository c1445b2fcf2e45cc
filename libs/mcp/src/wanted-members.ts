import { OPEN_BRACE, type JsonScanner, type Range } from "./json-scanner.js";

/** The members of a message that are looked at, by name; `true` for one whose inside does not matter. */
interface Members {
  readonly [key: string]: true | Members;
}

export const MetaKey = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
} as const;

const MESSAGE: Members = {
  jsonrpc: true,
  id: true,
  method: true,
  result: { inputRequests: true, _meta: { [MetaKey.subscriptionId]: true } },
  error: true,
  params: {
    name: true,
    uri: true,
    taskId: true,
    arguments: true,
    requestId: true,
    progressToken: true,
    protocolVersion: true,
    notifications: { resourceSubscriptions: true, taskIds: true },
    ref: { type: true, name: true, uri: true },
    clientInfo: { name: true, version: true },
    _meta: {
      progressToken: true,
      [MetaKey.protocolVersion]: true,
      [MetaKey.clientInfo]: { name: true, version: true },
      [MetaKey.clientCapabilities]: true,
      [MetaKey.logLevel]: true,
      [MetaKey.subscriptionId]: true,
    },
  },
};

export interface Wanted {
  /** From the message down, joined with blanks: `params _meta progressToken`. */
  readonly path: string;
  readonly members: ReadonlyMap<string, Wanted>;
  readonly folded: ReadonlySet<string>;
}

/** The root: what is looked at in a message. */
export const WANTED = wanted("", MESSAGE);

/** Of results that come whole ObjectMembers reads these, and minds no variants of them either. */
const OF_LARGE_RESULT: Members = {
  cacheScope: true,
  ttlMs: true,
  resultType: true,
  taskId: true,
  task: { taskId: true },
};

/** As WANTED, with what can be looked at only once in a message that is not kept. */
export const WANTED_OF_LARGE: Wanted = withoutVariants(WANTED, "result", OF_LARGE_RESULT);

function withoutVariants(root: Wanted, key: string, more: Members): Wanted {
  const known = root.members.get(key);
  const others = wanted(key, more).members;
  const member = {
    path: key,
    folded: known?.folded ?? new Set(),
    members: new Map([...others, ...(known?.members ?? [])]),
  };
  return { ...root, members: new Map([...root.members, [key, member]]) };
}

function wanted(path: string, members: true | Members): Wanted {
  const entries = members === true ? [] : Object.entries(members);
  return {
    path,
    members: new Map(
      entries.map(([key, inner]) => [key, wanted(path === "" ? key : `${path} ${key}`, inner)]),
    ),
    folded: new Set(entries.map(([key]) => fold(key))),
  };
}

/** Upper first: a reader that ignores case also takes U+017F for s and U+212A for k. */
export function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** Scans the message object that starts at `at`; fills `found` with the ranges of its members and returns its end. */
export function scanMessage(scanner: JsonScanner, at: number, found: Map<string, Range>): number {
  return scanMembers(scanner, { at, depth: 1, wanted: WANTED, found });
}

interface Place {
  readonly at: number;
  readonly depth: number;
  readonly wanted: Wanted;
  readonly found: Map<string, Range>;
}

function scanMembers(scanner: JsonScanner, place: Place): number {
  const depth = place.depth + 1;
  return scanner.object(place.at, place.depth, (key, at) => {
    const member = place.wanted.members.get(key);
    if (member === undefined) {
      if (place.wanted.folded.has(fold(key))) {
        scanner.refuse("case_variant_key", `key in the wrong case before byte ${at}: use the exact name`);
      }
      return scanner.value(at, depth);
    }
    const isObject = member.members.size > 0 && scanner.bytes[at] === OPEN_BRACE;
    const end = isObject
      ? scanMembers(scanner, { at, depth, wanted: member, found: place.found })
      : scanner.value(at, depth);
    // Seen twice: the message is refused, and which of the two counts is not guessed, so that no error goes to a wrong id.
    place.found.set(member.path, place.found.has(member.path) ? [at, at] : [at, end]);
    return end;
  });
}
