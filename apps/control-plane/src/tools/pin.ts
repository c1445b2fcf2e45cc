import type { ToolDefinition } from "@drawbridge/policy";

/** A tool of a target as decisions see it. */
export interface Pin {
  readonly name: string;
  /** Quarantined: nobody may call it. It shows what nobody has accepted, or did. */
  readonly state: "accepted" | "quarantined";
  readonly acceptedDigest: Uint8Array | undefined;
  /** What is suspicious about the one shown. */
  readonly flags: readonly string[];
  /** The accepted one, masked. Undefined when none is, or when it was too large to be kept. */
  readonly definition: ToolDefinition | undefined;
}

/** By the target's id, then by the tool's name. */
export type Pins = ReadonlyMap<string, ReadonlyMap<string, Pin>>;

/** Digests in lower-case hexadecimal. */
export interface PinDigests {
  readonly name: string;
  readonly accepted: string | undefined;
  readonly shown: string;
  readonly shownSince: Date;
  readonly flags: readonly string[];
}

export function isAccepted({ accepted, shown }: Pick<PinDigests, "accepted" | "shown">): boolean {
  return accepted === shown;
}

/** As it is kept in memory: its definition is read when a condition asks for it. */
export class LivePin implements Pin, PinDigests {
  readonly name: string;
  readonly accepted: string | undefined;
  readonly shown: string;
  readonly shownSince: Date;
  readonly state: Pin["state"];
  readonly acceptedDigest: Uint8Array | undefined;
  readonly flags: readonly string[];
  readonly #accepted: AcceptedDefinition | undefined;

  constructor(digests: PinDigests, accepted: AcceptedDefinition | undefined) {
    this.name = digests.name;
    this.accepted = digests.accepted;
    this.shown = digests.shown;
    this.shownSince = digests.shownSince;
    this.state = isAccepted(digests) ? "accepted" : "quarantined";
    this.acceptedDigest = accepted && Buffer.from(accepted.digest, "hex");
    this.flags = digests.flags;
    this.#accepted = accepted;
  }

  get definition(): ToolDefinition | undefined {
    return this.#accepted?.definition;
  }

  /** The same of the tool as it is now, if that is the definition which was read before. */
  acceptedAs(digest: string): AcceptedDefinition | undefined {
    return this.#accepted?.digest === digest ? this.#accepted : undefined;
  }
}

/** A definition that was accepted, parsed at most once. */
export class AcceptedDefinition {
  readonly #name: string;
  #json: Uint8Array | undefined;
  #parsed: ToolDefinition | undefined;

  /** `json`: empty when it was too large to be kept. */
  constructor(
    readonly digest: string,
    name: string,
    json: Uint8Array,
  ) {
    this.#name = name;
    this.#json = json;
  }

  get definition(): ToolDefinition | undefined {
    if (this.#json) this.#parsed = parsed(this.#name, this.#json);
    this.#json = undefined;
    return this.#parsed;
  }
}

function parsed(name: string, json: Uint8Array): ToolDefinition | undefined {
  const value = jsonOrNot(json);
  if (!isObject(value)) return undefined;
  const { title, description, inputSchema, annotations } = value;
  return {
    name,
    title: typeof title === "string" ? title : undefined,
    description: typeof description === "string" ? description : undefined,
    inputSchema,
    annotations: isObject(annotations) ? annotations : undefined,
  };
}

function jsonOrNot(json: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
