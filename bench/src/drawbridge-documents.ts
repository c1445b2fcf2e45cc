export const TARGET = "customers";

/** Calls the tool and administers: one made-up person is enough. */
export const USER = { username: "bench", email: "bench@example.com", groups: ["admins", "engineering"] };

/** The params of every measured call. */
export const CALL = { name: "lookup_customer", arguments: { id: "c-1042" } };

export function targetDocument(url: string): unknown {
  return {
    apiVersion: "drawbridge/v1",
    kind: "Target",
    metadata: { name: TARGET },
    spec: { agentGroup: "bench", transport: { http: { url } } },
  };
}

interface Rule {
  name: string;
  tools: string[];
  effect: "allow" | "deny";
}

interface PolicyDocument {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: { targets: unknown; subjects: unknown; access: unknown; rules: Rule[] };
}

const POLICIES = 4;
const RULES_EACH = 25;

/** A hundred rules that all speak of this caller and target; the very last one allows the call. */
export function hundredRules(): PolicyDocument[] {
  const policies = Array.from({ length: POLICIES }, (_, number) => ({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: `bench-${number}` },
    spec: {
      targets: { names: [TARGET] },
      subjects: { groups: ["engineering"] },
      access: { mode: "standing" },
      rules: Array.from({ length: RULES_EACH }, (_each, index) => someRule(number * RULES_EACH + index)),
    },
  }));
  policies.at(-1)?.spec.rules.splice(-1, 1, { name: "lookups", tools: ["lookup_*"], effect: "allow" });
  return policies;
}

function someRule(number: number): Rule {
  const deny = number % 3 === 0;
  return {
    name: `rule-${number}`,
    tools: deny
      ? [`*_delete_${number}`, `drop_${number}_*`]
      : [`report_${number}`, `list_*_${number}`, `read_${number}_*`],
    effect: deny ? "deny" : "allow",
  };
}
