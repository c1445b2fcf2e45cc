import type { ShellFacts } from "../facts.js";

/** What a program, an option or a file can add to the facts of a line. */
const EFFECTS = [
  "writes",
  "destructive",
  "privileges",
  "runsCode",
  "pipesIntoInterpreter",
  "network",
  "sendsData",
  "substitutions",
  "dynamic",
  "background",
] as const;
export type Effect = (typeof EFFECTS)[number];

/** With any of these a line does more than read. */
const MORE_THAN_READING = [
  "writes",
  "destructive",
  "privileges",
  "runsCode",
  "pipesIntoInterpreter",
  "sendsData",
  "dynamic",
] as const satisfies readonly Effect[];

/** Collects the facts while a line is walked. Nothing that was found is ever taken back. */
export class Found {
  readonly programs = new Set<string>();
  readonly redirections = new Set<string>();
  readonly sql: string[] = [];
  readonly #effects = new Set<Effect>();

  mark(...effects: readonly Effect[]): void {
    for (const effect of effects) this.#effects.add(effect);
  }

  has(effect: Effect): boolean {
    return this.#effects.has(effect);
  }

  facts(): ShellFacts {
    return {
      parsed: true,
      reason: "",
      programs: [...this.programs],
      readOnly: !MORE_THAN_READING.some((effect) => this.has(effect)),
      writes: this.has("writes") || this.has("destructive"),
      destructive: this.has("destructive"),
      privileges: this.has("privileges"),
      runsCode: this.has("runsCode"),
      pipesIntoInterpreter: this.has("pipesIntoInterpreter"),
      network: this.has("network"),
      sendsData: this.has("sendsData"),
      substitutions: this.has("substitutions"),
      dynamic: this.has("dynamic"),
      background: this.has("background"),
      redirections: [...this.redirections],
      sql: this.sql,
    };
  }
}
