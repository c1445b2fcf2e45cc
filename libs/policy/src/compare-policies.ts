import { type JitAccess, limitsOf, methodsOf, type PolicyDocument, type PolicyRule } from "./document.js";
import { reviewInWords } from "./review.js";

/** Part of a policy that is added, removed or another one. */
export interface PolicyChange {
  readonly change: "added" | "removed" | "changed";
  /** spec.subjects, or spec.rules.NAME */
  readonly path: string;
  /** One line for people. */
  readonly says: string;
}

/**
 * What becomes another one from `before` to `after`, in the order of `after`, removed rules last. Rules are matched by
 * name: where a rule stands makes no difference to what it does, so a rule that moved is no change.
 */
export function comparePolicies(before: PolicyDocument | undefined, after: PolicyDocument): PolicyChange[] {
  if (!before) return added(after);
  const changes: PolicyChange[] = [];
  if (!isSame(before.metadata.description, after.metadata.description)) {
    changes.push({ change: "changed", path: "metadata.description", says: "the description is another one" });
  }
  changes.push(...selectionChanges(before, after), ...ruleChanges(before.spec.rules, after.spec.rules));
  return changes;
}

function added({ spec }: PolicyDocument): PolicyChange[] {
  return [
    { change: "added", path: "spec.targets", says: `for targets: ${inWords(spec.targets)}` },
    { change: "added", path: "spec.subjects", says: `for subjects: ${inWords(spec.subjects)}` },
    ...(spec.access
      ? [{ change: "added", path: "spec.access", says: accessInWords(spec.access) } as const]
      : []),
    ...spec.rules.map((rule) => ruleAdded(rule)),
  ];
}

function selectionChanges(before: PolicyDocument, after: PolicyDocument): PolicyChange[] {
  const changes: PolicyChange[] = [];
  for (const part of ["targets", "subjects"] as const) {
    const [was, is] = [before.spec[part], after.spec[part]];
    if (isSame(was, is)) continue;
    changes.push({ change: "changed", path: `spec.${part}`, says: listChanges(was, is) });
  }
  const [was, is] = [before.spec.access, after.spec.access];
  // Without the member access is standing.
  if (!isSame(was ?? STANDING, is ?? STANDING)) {
    const says = accessChanges(was ?? STANDING, is ?? STANDING);
    changes.push({ change: "changed", path: "spec.access", says });
  }
  return changes;
}

type Access = NonNullable<PolicyDocument["spec"]["access"]>;

function accessChanges(was: Access, is: Access): string {
  if (was.mode === "standing" || is.mode === "standing") {
    return `${accessInWords(was)}, now ${accessInWords(is)}`;
  }
  return JIT_PARTS.filter((part) => !isSame(was[part], is[part]))
    .map((part) => `${PART_WORDS[part]} was ${partInWords(was, part)}, now ${partInWords(is, part)}`)
    .join("; ");
}

/** Every part of just-in-time access: `satisfies` fails the build when there is another one. */
const PART_WORDS = {
  activation: "activation",
  maxDuration: "the longest",
  reason: "a reason",
  review: "the review",
  automatic: "automatic approval",
  whenCalled: "a call without a grant",
  breakGlass: "break-glass access",
} as const satisfies Record<Exclude<keyof JitAccess, "mode">, string>;

const JIT_PARTS = Object.keys(PART_WORDS) as (keyof typeof PART_WORDS)[];

const SAY_PART: { readonly [Part in keyof typeof PART_WORDS]: (access: JitAccess) => string | undefined } = {
  activation: ({ activation }) => activation,
  maxDuration: ({ maxDuration }) => maxDuration,
  reason: ({ reason }) => reason ?? "optional",
  review: ({ review }) => review && oneLine(reviewInWords(review)),
  automatic: ({ automatic }) => automatic && `when ${oneLine(automatic.when)}`,
  whenCalled: ({ whenCalled }) => WHEN_CALLED_WORDS[whenCalled ?? "explain"],
  breakGlass: ({ breakGlass }) =>
    breakGlass && `for ${inWords({ ...breakGlass.responders })}, for at most ${breakGlass.maxDuration}`,
};

const WHEN_CALLED_WORDS = { explain: "told how to ask", request: "held while it is asked for" } as const;

function partInWords(access: JitAccess, part: keyof typeof PART_WORDS): string {
  return SAY_PART[part](access) ?? "none";
}

const STANDING = { mode: "standing" } as const;

function accessInWords(access: Access): string {
  if (access.mode === "standing") return "access is standing";
  const more = ADDED_PARTS.filter((part) => access[part] !== undefined);
  return [
    `access is just in time, activated by ${access.activation}, for at most ${access.maxDuration}`,
    ...more.map((part) => `${PART_WORDS[part]}: ${partInWords(access, part)}`),
  ].join("; ");
}

const ADDED_PARTS = ["reason", "review", "automatic", "whenCalled", "breakGlass"] as const;

function ruleChanges(before: readonly PolicyRule[], after: readonly PolicyRule[]): PolicyChange[] {
  const was = new Map(before.map((rule) => [rule.name, rule]));
  const remaining = new Set(after.map(({ name }) => name));
  return [
    ...after.flatMap((rule) => {
      const old = was.get(rule.name);
      if (!old) return [ruleAdded(rule)];
      return ruleChanged(old, rule);
    }),
    ...before.filter(({ name }) => !remaining.has(name)).map((rule) => ruleRemoved(rule)),
  ];
}

function ruleAdded(rule: PolicyRule): PolicyChange {
  return { change: "added", path: `spec.rules.${rule.name}`, says: ruleInWords(rule) };
}

function ruleRemoved(rule: PolicyRule): PolicyChange {
  return { change: "removed", path: `spec.rules.${rule.name}`, says: `no longer ${ruleInWords(rule)}` };
}

function ruleChanged(was: PolicyRule, is: PolicyRule): PolicyChange[] {
  const says = (Object.keys(SAY_CHANGE) as (keyof typeof SAY_CHANGE)[])
    .filter((part) => !isSame(comparable(was, part), comparable(is, part)))
    .map((part) => SAY_CHANGE[part](was, is));
  return says.length === 0
    ? []
    : [{ change: "changed", path: `spec.rules.${is.name}`, says: says.join("; ") }];
}

/** Two ways to write the same are the same. */
function comparable(rule: PolicyRule, part: keyof typeof SAY_CHANGE): unknown {
  if (part === "methods") return [...methodsOf(rule)].sort();
  if (part === "limits") return limitsOf(rule).map((limit) => ({ ...limit, per: limit.per ?? "principal" }));
  return rule[part];
}

type SayChange = (was: PolicyRule, is: PolicyRule) => string;

const listChange =
  (part: "tools" | "resources" | "prompts"): SayChange =>
  (was, is) =>
    listChanges({ [part]: was[part] ?? ["*"] }, { [part]: is[part] ?? ["*"] });

/** Every part of a rule but its name: `satisfies` fails the build when a rule gets another part. */
const SAY_CHANGE = {
  effect: (was, is) => `${EFFECT_WORDS[was.effect]}, now ${EFFECT_WORDS[is.effect]}`,
  methods: (was, is) => listChanges({ methods: methodsOf(was) }, { methods: methodsOf(is) }),
  tools: listChange("tools"),
  resources: listChange("resources"),
  prompts: listChange("prompts"),
  when: (was, is) => {
    if (was.when === undefined) return `gets a condition: ${oneLine(is.when ?? "")}`;
    if (is.when === undefined) return `loses its condition: ${oneLine(was.when)}`;
    return `condition was ${oneLine(was.when)}, now ${oneLine(is.when)}`;
  },
  message: () => "the message is another one",
  approval: (was, is) => {
    if (!is.approval) return "asks nobody for approval any more";
    const now = oneLine(reviewInWords(is.approval));
    return was.approval
      ? `approval was by ${oneLine(reviewInWords(was.approval))}, now by ${now}`
      : `approval is by ${now}`;
  },
  mask: (_was, is) => (is.mask ? `masks with profile ${is.mask.profile}` : "masks with the default profile"),
  limits: (was, is) => `limits were ${limitsInWords(was)}, now ${limitsInWords(is)}`,
} as const satisfies Record<Exclude<keyof PolicyRule, "name">, SayChange>;

const EFFECT_WORDS = { allow: "allows", deny: "denies", require_approval: "asks for approval of" } as const;

function ruleInWords(rule: PolicyRule): string {
  const names = (["tools", "resources", "prompts"] as const).flatMap((list) =>
    rule[list] ? [`${list} ${shortList(rule[list])}`] : [],
  );
  const parts = [
    `${EFFECT_WORDS[rule.effect]} ${[shortList(methodsOf(rule)), ...names].join(", ")}`,
    ...(rule.when === undefined ? [] : [`when ${oneLine(rule.when)}`]),
    ...(rule.approval === undefined ? [] : [`by ${oneLine(reviewInWords(rule.approval))}`]),
    ...(rule.limits === undefined ? [] : [`within ${limitsInWords(rule)}`]),
  ];
  return parts.join(" ");
}

/** Limits as people read them: `500/h calls per principal`. */
export function limitsInWords(rule: PolicyRule): string {
  const words = limitsOf(rule).map(({ per, calls, resultBytes, concurrent }) => {
    const parts = [
      ...(calls === undefined ? [] : [`${calls} calls`]),
      ...(resultBytes === undefined ? [] : [`${resultBytes} of results`]),
      ...(concurrent === undefined ? [] : [`${concurrent} at the same time`]),
    ];
    return `${parts.join(", ")} per ${per ?? "principal"}`;
  });
  return words.length === 0 ? "none" : words.join("; ");
}

type Lists = Readonly<Record<string, readonly string[] | Readonly<Record<string, string>> | undefined>>;

function inWords(lists: Lists): string {
  const words = Object.entries(lists).flatMap(([key, value]) => {
    const entries = entriesOf(value);
    return entries.length === 0 ? [] : [`${key} ${shortList(entries)}`];
  });
  return words.length === 0 ? "nobody" : words.join(", ");
}

/** What each of the lists gained and lost. */
function listChanges(was: Lists, is: Lists): string {
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  const says = keys.flatMap((key) => {
    const [old, now] = [entriesOf(was[key]), entriesOf(is[key])];
    const gained = now.filter((entry) => !old.includes(entry));
    const lost = old.filter((entry) => !now.includes(entry));
    return [
      ...(gained.length === 0 ? [] : [`${key}: adds ${shortList(gained)}`]),
      ...(lost.length === 0 ? [] : [`${key}: removes ${shortList(lost)}`]),
    ];
  });
  return says.length === 0 ? "written otherwise" : says.join("; ");
}

function entriesOf(value: Lists[string]): readonly string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : Object.entries(value).map(([key, each]) => `${key}=${String(each)}`);
}

const SHOWN = 8;

function shortList(entries: readonly string[]): string {
  const shown = entries.slice(0, SHOWN).map((entry) => oneLine(entry));
  return entries.length > SHOWN ? `${shown.join(", ")} and ${entries.length - SHOWN} more` : shown.join(", ");
}

const SHOWN_LENGTH = 200;

function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
  return line.length > SHOWN_LENGTH ? `${line.slice(0, SHOWN_LENGTH)}…` : line;
}

/** Equal as JSON, whatever the order of members; an absent member and an undefined one are the same. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
