import assert from "node:assert/strict";
import {
  eraOf,
  MalformedMessageError,
  type McpMessage,
  type McpNotification,
  type McpRequest,
  parseMessage,
} from "@drawbridge/mcp";
import { compilePolicies, parsePolicy } from "@drawbridge/policy";
import {
  CLIENT_MESSAGES,
  fuzz,
  type Meaning,
  meaningOf,
  mutatedMessage,
  OTHER_READERS,
  type Random,
} from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { decide, type GatewayDecision, type Question } from "./decide.js";
import { listenFilter } from "./listen-filter.js";

const rules = [
  { name: "reading", tools: ["read", "x*"], effect: "allow" },
  { name: "destroying", tools: ["destroy"], effect: "deny" },
  {
    name: "files",
    methods: ["resources/read", "resources/subscribe"],
    resources: ["file:///srv/*"],
    effect: "allow",
  },
  { name: "greeting", methods: ["prompts/get"], prompts: ["greet"], effect: "allow" },
  { name: "others", methods: ["vendor/thing", "subscriptions/listen", "tasks/get"], effect: "allow" },
];
const policies = compilePolicies([{ name: "fuzz", version: 1, document: documentOf(rules) }]);
const document = { spec: { commands: [] } } as unknown as Question["target"]["document"];
const target = { name: "shop", labels: {}, document };
const context = {
  principal: { id: "alice", groups: ["engineering"], email: "ada@example.test", emailVerified: true },
  client: { id: "c" },
};

function documentOf(withRules: object[]) {
  const parsed = parsePolicy({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: "fuzz" },
    spec: {
      targets: { names: ["shop"] },
      subjects: { groups: ["engineering"] },
      access: { mode: "standing" },
      rules: withRules,
    },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.policy;
}

type Call = McpRequest | McpNotification;

function accepted(bytes: Uint8Array): Call | undefined {
  try {
    const message: McpMessage = parseMessage(bytes);
    return message.kind === "response" ? undefined : message;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** Of a message nothing may be looked at but these. */
const DECISIVE = new Set<string | symbol>(["kind", "method", "name"]);
const onlyDecisive: ProxyHandler<Call> = {
  get: (message, member) => {
    assert.ok(DECISIVE.has(member), `decided by ${String(member)}`);
    return Reflect.get(message, member) as unknown;
  },
};

function questionOf(message: Call): Question {
  const listensTo =
    message.method === "subscriptions/listen" ? listenFilter(message, "resourceSubscriptions") : undefined;
  return { target, context, message: new Proxy(message, onlyDecisive), era: eraOf(message), listensTo };
}

/** What would be asked if the reader had read it. */
function questionOfReader(meaning: Meaning, era: Question["era"]): Question {
  const { kind, method = "", name, listensTo = "" } = meaning;
  const filter = listensTo.split(" and ")[0] ?? "";
  return {
    target,
    context,
    message: { kind, method, name } as Call,
    era,
    ...(method === "subscriptions/listen" && { listensTo: strings(filter) }),
  };
}

function strings(text: string): readonly string[] | undefined {
  if (text === "" || text === "undefined" || text === "null") return [];
  const value = JSON.parse(text) as unknown;
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function shown({ effect, rule, reason, refusal }: GatewayDecision): object {
  return { effect, rule, reason, refusal: refusal && [refusal.code, refusal.message] };
}

function check(message: Call): void {
  const text = Buffer.from(message.bytes).toString();
  const question = questionOf(message);
  const decision = shown(decide(policies, question));
  for (const [reader, find] of Object.entries(OTHER_READERS)) {
    const other = decide(policies, questionOfReader(meaningOf(text, find), question.era));
    assert.deepStrictEqual({ reader, ...shown(other) }, { reader, ...decision });
  }
}

test("what is decided is what every reader would have been asked", async () => {
  let decided = 0;
  const surface = {
    name: "decide",
    share: 70,
    generate: (random: Random) => mutatedMessage(random, CLIENT_MESSAGES),
    check: (bytes: Uint8Array) => {
      const message = accepted(bytes);
      if (message) check(message);
      if (message) decided += 1;
    },
  };
  const fed = await fuzz(surface, inject("fuzz"));
  expect(decided).toBeGreaterThan(fed / 10);
});
