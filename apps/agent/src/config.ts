import { readFile } from "node:fs/promises";
import path from "node:path";
import { HARD_MESSAGE_LIMIT } from "./link/channel.js";
import { usageError } from "./operator-error.js";
import type { AllowRules, CommandRule } from "./targets/allow-rules.js";
import { type ChildLimits, NO_CHILD_LIMITS } from "./targets/child-limits.js";
import { parseUrlRule } from "./targets/url-rule.js";

/** What the operator of this host decides, whatever the control plane asks. */
export interface AgentConfig {
  readonly allow: AllowRules;
  readonly limits: Limits;
}

export interface Limits {
  /** Sessions with a target at the same time. */
  readonly sessions: number;
  /** Processes of targets at the same time, each with whatever it starts. */
  readonly children: number;
  /** What each of them may use at most; a target's definition may say less. */
  readonly perChild: ChildLimits;
  /** Longest message to a target, and of a target where it is handled whole; the control plane's own limit applies as well. */
  readonly messageBytes: number;
  /** Longest response of a target; one over 4 MiB goes on in pieces. */
  readonly maxResultBytes: number;
  /** What may wait for the control plane per session before its target is paused. */
  readonly bufferedBytes: number;
  readonly stderrBytesPerSecond: number;
  /** For targets whose definition names no time-out. */
  readonly exchangeTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export const DEFAULT_LIMITS: Limits = {
  sessions: 200,
  children: 200,
  perChild: NO_CHILD_LIMITS,
  messageBytes: 16 * MIB,
  maxResultBytes: GIB,
  bufferedBytes: 4 * MIB,
  stderrBytesPerSecond: 64 * 1024,
  exchangeTimeoutMs: 60 * 60_000,
  idleTimeoutMs: 5 * 60_000,
};

/** Without a configuration an agent runs nothing and reaches nothing. */
export const EMPTY_CONFIG: AgentConfig = { allow: { commands: [], urls: [] }, limits: DEFAULT_LIMITS };

/** Reads and checks a configuration file. A key nobody knows is an error: a mistyped rule must not pass as a missing one. */
export async function loadConfig(file: string): Promise<AgentConfig> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw usageError(`cannot read the configuration ${file}: ${error.code ?? "unknown error"}`);
  });
  return parseConfig(text, file);
}

/** `source` names the file in error messages. */
export async function parseConfig(text: string, source: string): Promise<AgentConfig> {
  const { parse } = await import("yaml");
  const document = parseYaml(parse, text, source);
  const root = new Reader(document ?? {}, source, "");
  const config = readConfig(root);
  return config;
}

function parseYaml(parse: (text: string) => unknown, text: string, source: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw usageError(
      `${source} is not valid YAML: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function readConfig(root: Reader): AgentConfig {
  root.onlyKeys(["allow", "limits"]);
  const allow = root.child("allow");
  allow?.onlyKeys(["commands", "urls"]);
  const limits = root.child("limits");
  limits?.onlyKeys(Object.keys(DEFAULT_LIMITS));
  const maxima: Partial<Record<keyof Limits, number>> = {
    messageBytes: HARD_MESSAGE_LIMIT,
    sessions: 10_000,
    children: 10_000,
  };
  const limit = (name: Exclude<keyof Limits, "perChild">) =>
    limits?.count(name, { maximum: maxima[name] }) ?? DEFAULT_LIMITS[name];
  return {
    allow: {
      commands: allow?.children("commands").map(readCommandRule) ?? [],
      urls: allow?.texts("urls")?.map((url) => parseUrlRule(url)) ?? [],
    },
    limits: {
      sessions: limit("sessions"),
      children: limit("children"),
      perChild: readChildLimits(limits?.child("perChild")),
      messageBytes: limit("messageBytes"),
      maxResultBytes: limit("maxResultBytes"),
      bufferedBytes: limit("bufferedBytes"),
      stderrBytesPerSecond: limit("stderrBytesPerSecond"),
      exchangeTimeoutMs: limit("exchangeTimeoutMs"),
      idleTimeoutMs: limit("idleTimeoutMs"),
    },
  };
}

function readChildLimits(limits: Reader | undefined): ChildLimits {
  limits?.onlyKeys(Object.keys(NO_CHILD_LIMITS));
  const limit = (name: keyof ChildLimits) => limits?.count(name, { minimum: 0 }) ?? NO_CHILD_LIMITS[name];
  return {
    memoryBytes: limit("memoryBytes"),
    cpuSeconds: limit("cpuSeconds"),
    openFiles: limit("openFiles"),
    processes: limit("processes"),
  };
}

function readCommandRule(rule: Reader): CommandRule {
  rule.onlyKeys(["command", "arguments", "directories", "environment"]);
  return {
    command: rule.absolutePath("command"),
    arguments: rule.is("arguments", "any") ? "any" : (rule.texts("arguments") ?? []),
    directories: (rule.texts("directories") ?? []).map((directory) =>
      rule.checkAbsolute("directories", directory),
    ),
    environment: rule.texts("environment") ?? [],
  };
}

interface Bounds {
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}

/** One mapping of the document, which knows its place for error messages. */
class Reader {
  readonly #value: Record<string, unknown>;
  readonly #source: string;
  readonly #place: string;

  constructor(value: unknown, source: string, place: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw usageError(`${source}: ${place === "" ? "the document" : place} has to be a mapping`);
    }
    this.#value = value as Record<string, unknown>;
    this.#source = source;
    this.#place = place;
  }

  onlyKeys(known: readonly string[]): void {
    const unknown = Object.keys(this.#value).find((key) => !known.includes(key));
    if (unknown !== undefined) {
      throw usageError(`${this.#source}: ${this.#at(unknown)} is not known; known here: ${known.join(", ")}`);
    }
  }

  is(key: string, text: string): boolean {
    return this.#value[key] === text;
  }

  child(key: string): Reader | undefined {
    const value = this.#value[key];
    return value === undefined || value === null ? undefined : new Reader(value, this.#source, this.#at(key));
  }

  children(key: string): Reader[] {
    return (this.#list(key) ?? []).map(
      (item, index) => new Reader(item, this.#source, `${this.#at(key)}[${index}]`),
    );
  }

  texts(key: string): string[] | undefined {
    return this.#list(key)?.map((item) => {
      if (typeof item !== "string") throw this.#error(key, "has to be a list of texts (quote numbers)");
      return item;
    });
  }

  absolutePath(key: string): string {
    const value = this.#value[key];
    if (typeof value !== "string") throw this.#error(key, "is missing: name an absolute path");
    return this.checkAbsolute(key, value);
  }

  checkAbsolute(key: string, value: string): string {
    if (!path.isAbsolute(value) || path.normalize(value) !== value) {
      throw this.#error(key, `has to be an absolute path without "." and "..": ${JSON.stringify(value)}`);
    }
    return value;
  }

  count(key: string, { minimum = 1, maximum = Number.MAX_SAFE_INTEGER }: Bounds): number | undefined {
    const value = this.#value[key];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
      throw this.#error(key, `has to be a whole number from ${minimum} to ${maximum}`);
    }
    return value;
  }

  #list(key: string): unknown[] | undefined {
    const value = this.#value[key];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) throw this.#error(key, "has to be a list");
    return value as unknown[];
  }

  #at(key: string): string {
    return this.#place === "" ? key : `${this.#place}.${key}`;
  }

  #error(key: string, problem: string): Error {
    return usageError(`${this.#source}: ${this.#at(key)} ${problem}`);
  }
}
