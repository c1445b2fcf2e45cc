import { compilePolicies, type Context, readPolicySource } from "@drawbridge/policy";
import { describe, expect, test } from "vitest";
import { Grants } from "../../access/index.js";
import { Locks } from "../../locks/index.js";
import type { Target } from "../../targets/index.js";
import type { Pin } from "../../tools/index.js";
import { changedLists, CHANGING_LISTS } from "./changed-lists.js";
import type { LiveSnapshot } from "./live-state.js";

const POLICY = (group: string, rules: string) => `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: policy-${group} }
spec:
  targets: { names: [shop] }
  subjects: { groups: [${group}] }
  rules:
${rules}`;
const READING = `    - { name: reading, tools: ["read*"], effect: allow }\n`;

function compiled(sources: readonly string[], version = 1) {
  const versions = sources.map((source) => {
    const read = readPolicySource(source);
    if (!read.ok) throw new Error(read.summary);
    return { name: read.policy.metadata.name, version, document: read.policy };
  });
  return compilePolicies(versions, new Set(["condition"]));
}

function pin(name: string, what: Partial<Pin> = {}): Pin {
  const definition = { name, description: "reads" };
  const accepted = { state: "accepted", acceptedDigest: Buffer.from("one"), flags: [], definition } as const;
  return { name, ...accepted, ...what };
}

const engineers = compiled([POLICY("engineering", READING)]);

function live(pins: readonly Pin[], policies = engineers, revision = 1): LiveSnapshot {
  const spec = { commands: [] };
  const target = { id: "shop-1", name: "shop", labels: {}, revision, document: { spec } };
  return {
    epoch: 1n,
    policies,
    targets: new Map([["shop", target as unknown as Target]]),
    pins: new Map([["shop-1", new Map(pins.map((each) => [each.name, each]))]]),
    grants: new Grants([]),
    locks: new Locks([]),
  };
}

const engineer: Context = { principal: { id: "alice", groups: ["engineering"] }, client: { id: "c" } };
const changed = (before: LiveSnapshot | undefined, after: LiveSnapshot) =>
  changedLists("shop", engineer, { before, live: after });

describe("the lists that may have changed for somebody", () => {
  const were = [pin("read"), pin("write")];
  const quarantined = { state: "quarantined" } as const;

  test.each<{ says: string; after: LiveSnapshot; lists: readonly string[] }>([
    { says: "none when nothing has", after: live([pin("read"), pin("write")]), lists: [] },
    { says: "tools when one is quarantined", after: live([pin("read", quarantined)]), lists: ["tools"] },
    { says: "tools when one is forgotten", after: live([pin("write")]), lists: ["tools"] },
    {
      says: "none when one that is not seen is",
      after: live([pin("read"), pin("write", quarantined)]),
      lists: [],
    },
    {
      says: "none when one is new: the target tells of it",
      after: live([...were, pin("read_all")]),
      lists: [],
    },
    {
      says: "none when another definition is accepted and may be used as well",
      after: live([pin("read", { acceptedDigest: Buffer.from("two") }), pin("write")]),
      lists: [],
    },
    { says: "all when the target is another one", after: live(were, engineers, 2), lists: CHANGING_LISTS },
    {
      says: "all when a policy has another version",
      after: live(were, compiled([POLICY("engineering", READING)], 2)),
      lists: CHANGING_LISTS,
    },
    {
      says: "none when a policy for others has",
      after: live(were, compiled([POLICY("engineering", READING), POLICY("sales", READING)])),
      lists: [],
    },
  ])("are $says", ({ after, lists }) => {
    expect(changed(live(were), after)).toEqual(lists);
  });

  test("are tools when the definition that is accepted now may not be used", () => {
    const when = `tool.description == "reads"`;
    const policies = compiled([
      POLICY("engineering", `    - { name: reading, tools: [read], when: '${when}', effect: allow }\n`),
    ]);
    const other = { acceptedDigest: Buffer.from("two"), definition: { name: "read", description: "writes" } };
    expect(changed(live([pin("read")], policies), live([pin("read", other)], policies))).toEqual(["tools"]);
  });

  test("are all when nobody knows what was before", () => {
    expect(changed(undefined, live(were))).toEqual(CHANGING_LISTS);
  });

  test("are found for a thousand sessions of a target with many tools while nobody notices", () => {
    const rules = Array.from(
      { length: 50 },
      (_, index) =>
        `    - { name: r${index}, tools: ["t${index}*"], when: 'args.a == "x"', effect: allow }\n`,
    ).join("");
    const policies = compiled(Array.from({ length: 50 }, (_, index) => POLICY(`g${index}`, rules)));
    const tools = Array.from({ length: 500 }, (_, index) => pin(`t${index}`));
    const change = {
      before: live(tools, policies),
      live: live([pin("t0", quarantined), ...tools.slice(1)], policies),
    };
    const start = process.cpuUsage();
    for (let index = 0; index < 1_000; index += 1) {
      const principal = { id: `u${index}`, groups: [`g${index % 50}`] };
      changedLists("shop", { principal, client: { id: "c" } }, change);
    }
    const { user } = process.cpuUsage(start);
    expect(user / 1_000).toBeLessThan(1_000);
  });
});
