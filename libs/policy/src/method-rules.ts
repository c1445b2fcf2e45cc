import { type CompiledRule, decisive } from "./compiled-rule.js";
import { NameIndex } from "./name-index.js";

/** What is remembered of one method in one policy: as many names as a target has tools, and no long ones. */
const REMEMBERED = { names: 128, length: 128 };

/** The rules that speak of one name, as far as they can make a difference. Each list is in order of position. */
export interface MatchingRules {
  /** The decisive one among those without a condition: the others of them can never win. */
  readonly unconditional: CompiledRule | undefined;
  /** Without a condition, not denying, and with limits, which hold even where another rule decides. */
  readonly limited: readonly CompiledRule[];
  /** With a condition. */
  readonly denying: readonly CompiledRule[];
  readonly otherConditional: readonly CompiledRule[];
}

const NO_RULES: readonly CompiledRule[] = [];

/** The rules of one policy for one method. */
export class MethodRules {
  readonly #everyName: CompiledRule[] = [];
  #ofEveryName: MatchingRules | undefined;
  readonly #byName = new NameIndex<CompiledRule>();
  // The answer depends on these rules and the name alone, and the same few names are asked for all day.
  readonly #remembered = new Map<string, MatchingRules>();

  /** Without names the rule speaks of every name. Rules are added in order of position. */
  add(rule: CompiledRule, names: readonly string[] | undefined): void {
    this.#remembered.clear();
    this.#ofEveryName = undefined;
    if (!names) this.#everyName.push(rule);
    else for (const name of names) this.#byName.add(name, rule);
  }

  /** A request without a name is matched by rules for every name only. */
  matching(name: string | undefined): MatchingRules {
    this.#ofEveryName ??= matchingOf(this.#everyName);
    if (name === undefined) return this.#ofEveryName;
    const known = this.#remembered.get(name);
    if (known) return known;
    const matching = merged([this.#ofEveryName, matchingOf(this.#named(name))]);
    this.#remember(name, matching);
    return matching;
  }

  /** Every rule that speaks of the name, in order of position. */
  speaking(name: string | undefined): readonly CompiledRule[] {
    return name === undefined ? this.#everyName : inOrder([...this.#everyName, ...this.#named(name)]);
  }

  #named(name: string): readonly CompiledRule[] {
    const rules = new Set<CompiledRule>();
    this.#byName.forEachMatch(name, (rule) => rules.add(rule));
    return inOrder([...rules]);
  }

  #remember(name: string, matching: MatchingRules): void {
    if (name.length > REMEMBERED.length) return;
    if (this.#remembered.size >= REMEMBERED.names) this.#remembered.clear();
    // A copy: the name can be a slice of a message of a megabyte, which would be kept with it.
    this.#remembered.set(name.split("").join(""), matching);
  }
}

function inOrder(rules: CompiledRule[]): readonly CompiledRule[] {
  return rules.sort((a, b) => a.position - b.position);
}

function matchingOf(rules: readonly CompiledRule[]): MatchingRules {
  const always = rules.filter(({ condition }) => !condition);
  return {
    unconditional: always.reduce<CompiledRule | undefined>(decisive, undefined),
    limited: always.filter(({ effect, limits }) => effect !== "deny" && limits.length > 0),
    denying: rules.filter(({ condition, effect }) => condition && effect === "deny"),
    otherConditional: rules.filter(({ condition, effect }) => condition && effect !== "deny"),
  };
}

/** Of several policies, or of the rules for every name and those for one. */
export function merged(all: readonly MatchingRules[]): MatchingRules {
  return {
    unconditional: all.reduce<CompiledRule | undefined>(
      (rule, { unconditional }) => (unconditional ? decisive(rule, unconditional) : rule),
      undefined,
    ),
    limited: together(all.map(({ limited }) => limited)),
    denying: together(all.map(({ denying }) => denying)),
    otherConditional: together(all.map(({ otherConditional }) => otherConditional)),
  };
}

/** Shares the list where only one of them has rules: those for every name can be many, and names are many as well. */
function together(lists: readonly (readonly CompiledRule[])[]): readonly CompiledRule[] {
  const [first = NO_RULES, ...others] = lists.filter(({ length }) => length > 0);
  return others.length === 0 ? first : inOrder([first, ...others].flat());
}
