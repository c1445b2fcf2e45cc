import { type CompiledRule, decisive } from "./compiled-rule.js";
import { NameIndex } from "./name-index.js";

/** What is remembered of one method in one policy: as many names as a target has tools, and no long ones. */
const REMEMBERED = { names: 128, length: 128 };

/** The rules of one policy for one method. */
export class MethodRules {
  // Of the rules that speak of every name only the decisive one: the others can never win.
  #everyName: CompiledRule | undefined;
  readonly #byName = new NameIndex<CompiledRule>();
  // The answer depends on these rules and the name alone, and the same few names are asked for all day.
  readonly #remembered = new Map<string, CompiledRule | undefined>();

  /** Without names the rule speaks of every name. */
  add(rule: CompiledRule, names: readonly string[] | undefined): void {
    this.#remembered.clear();
    if (!names) this.#everyName = decisive(this.#everyName, rule);
    else for (const name of names) this.#byName.add(name, rule);
  }

  /** The rule that wins among those that match; a request without a name is matched by rules for every name only. */
  decisiveFor(name: string | undefined): CompiledRule | undefined {
    if (name === undefined) return this.#everyName;
    const known = this.#remembered.get(name);
    if (known !== undefined || this.#remembered.has(name)) return known;
    let decidedBy = this.#everyName;
    this.#byName.forEachMatch(name, (rule) => {
      decidedBy = decisive(decidedBy, rule);
    });
    this.#remember(name, decidedBy);
    return decidedBy;
  }

  #remember(name: string, rule: CompiledRule | undefined): void {
    if (name.length > REMEMBERED.length) return;
    if (this.#remembered.size >= REMEMBERED.names) this.#remembered.clear();
    // A copy: the name can be a slice of a message of a megabyte, which would be kept with it.
    this.#remembered.set(name.split("").join(""), rule);
  }
}
