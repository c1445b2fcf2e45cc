import { nameSkeleton, toolFlags } from "@drawbridge/mcp";
import { isAccepted, type PinDigests } from "./pin.js";

/** Of a target. Whoever shows more has the rest ignored, so that nobody sees or calls it. */
export const MAX_TOOLS = 2_000;
const MAX_DEFINITION_BYTES = 256 * 1024;
/** How often it is written down, of a target, that quarantined tools show something else again. */
const SHOWN_EVERY_MS = 10_000;
const MAX_SKELETONS = 10_000;

/** What an agent has seen a target show. */
export interface ToolDefinitionShown {
  readonly name: string;
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** Masked JSON; empty when it is too large. */
  readonly definition: Uint8Array;
}

/** All that one listing says of one name: usually one definition. */
export interface ShownTool {
  readonly name: string;
  readonly shown: readonly { readonly digest: string; readonly definition: Uint8Array }[];
}

/** What is to be written down. */
export interface PinChange {
  readonly name: string;
  readonly digest: string;
  readonly definition: Uint8Array;
  readonly flags: readonly string[];
  /** Of one that was never seen before: whether it is accepted at once. Undefined: it is known and has changed. */
  readonly acceptedAtFirst: boolean | undefined;
}

export function byName(definitions: readonly ToolDefinitionShown[]): readonly ShownTool[] {
  const tools = new Map<string, { name: string; shown: ShownTool["shown"][number][] }>();
  for (const { name, digest, definition } of definitions) {
    const tool = tools.get(name) ?? { name, shown: [] };
    tool.shown.push({ digest: Buffer.from(digest).toString("hex"), definition });
    tools.set(name, tool);
  }
  return [...tools.values()];
}

/** What is known of a target's tools, at a moment. */
export class KnownTools {
  #wasShownLately: boolean | undefined;

  constructor(
    readonly pins: ReadonlyMap<string, PinDigests>,
    readonly now: Date,
  ) {}

  /** True when nothing is to be written down: the usual case, and one look into what is known. */
  isSettled({ name, shown }: ShownTool): boolean {
    const pin = this.pins.get(name);
    if (!pin) return false;
    const isKnown = ({ digest }: { digest: string }) => digest === pin.accepted || digest === pin.shown;
    if (isAccepted(pin)) return shown.every(isKnown);
    // It stays quarantined, whatever it shows, until somebody accepts a definition.
    return shown.some(isKnown) || this.wasShownLately;
  }

  /** Who shows others all the time, of tools that nobody can use anyway, must not keep everybody busy with them. */
  private get wasShownLately(): boolean {
    this.#wasShownLately ??= [...this.pins.values()].some(
      (pin) => !isAccepted(pin) && this.now.getTime() - pin.shownSince.getTime() < SHOWN_EVERY_MS,
    );
    return this.#wasShownLately;
  }
}

/** Pure: the changes of a target's pins, and how many tools there is no room for. */
export function changesOf(
  tools: readonly ShownTool[],
  known: KnownTools,
): { readonly changes: readonly PinChange[]; readonly refused: number } {
  const { pins } = known;
  const unsettled = tools.filter((tool) => !known.isSettled(tool));
  const changed = unsettled.filter(({ name }) => pins.has(name));
  const firsts = unsettled.filter(({ name }) => !pins.has(name));
  const taken = firsts.slice(0, Math.max(0, MAX_TOOLS - pins.size));
  if (changed.length + taken.length === 0) return { changes: [], refused: firsts.length };
  const lookAlikes = new LookAlikes([...pins.keys(), ...taken.map(({ name }) => name)]);
  const changes = [...changed, ...taken].flatMap((tool) => {
    const change = changeOf(tool, pins.get(tool.name), lookAlikes);
    return change ? [change] : [];
  });
  return { changes, refused: firsts.length - taken.length };
}

function changeOf(
  { name, shown }: ShownTool,
  pin: PinDigests | undefined,
  lookAlikes: LookAlikes,
): PinChange | undefined {
  const other = shown.find(({ digest }) => digest !== pin?.shown);
  if (!other) return undefined;
  const isKept = other.definition.length <= MAX_DEFINITION_BYTES;
  const definition = isKept ? other.definition : new Uint8Array();
  const collides = shown.length > 1 || lookAlikes.has(name);
  const flags = flagsOf(definition, collides);
  const acceptedAtFirst = pin ? undefined : flags.every((flag) => flag === "confusable_characters");
  return { name, digest: other.digest, definition, flags, acceptedAtFirst };
}

/** `definition`: empty when it was too large to be kept. Of what is no JSON nobody can say what a person would see. */
export function flagsOf(definition: Uint8Array, collides: boolean): readonly string[] {
  return [...flagsOfText(definition), ...(collides ? ["collides"] : [])];
}

function flagsOfText(definition: Uint8Array): readonly string[] {
  if (definition.length === 0) return ["too_large"];
  try {
    return toolFlags(definition);
  } catch {
    return ["hidden_characters"];
  }
}

/** Which names could be taken for another one. */
export class LookAlikes {
  readonly #spellings = new Map<string, Set<string>>();

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const skeleton = skeletonOf(name);
      const spellings = this.#spellings.get(skeleton) ?? new Set();
      this.#spellings.set(skeleton, spellings.add(name));
    }
  }

  has(name: string): boolean {
    return (this.#spellings.get(skeletonOf(name))?.size ?? 0) > 1;
  }
}

/** Of the same names again and again. */
const skeletons = new Map<string, string>();

function skeletonOf(name: string): string {
  let skeleton = skeletons.get(name);
  if (skeleton === undefined) {
    skeleton = nameSkeleton(name);
    if (skeletons.size >= MAX_SKELETONS) skeletons.clear();
    skeletons.set(name, skeleton);
  }
  return skeleton;
}
