import { type ApprovalView, ApprovalPage } from "@drawbridge/contracts";
import { eventually } from "@drawbridge/testing";
import { stringify } from "yaml";
import type { System } from "./system.js";

/** A policy under which alice's group may call these tools once somebody of dba (bob) has approved. */
export async function askBefore(
  system: System,
  target: string,
  { tools, expiresIn = "15m", freely = [] }: { tools: string[]; expiresIn?: string; freely?: string[] },
): Promise<void> {
  const approval = { from: [{ group: "dba", count: 1 }], expiresIn };
  const rules = [
    { name: "ask", tools, effect: "require_approval", approval },
    ...(freely.length === 0 ? [] : [{ name: "freely", tools: freely, effect: "allow" }]),
  ];
  const source = stringify({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: target },
    spec: { targets: { names: [target] }, subjects: { groups: ["engineering"] }, rules },
  });
  await system.api().demand("PUT", `policies/${target}`, { source });
}

/** The approvals of a target in this state, newest first. */
export async function approvals(system: System, target: string, state = "pending"): Promise<ApprovalView[]> {
  const route = `approvals?target=${target}&state=${state}&limit=200`;
  return ApprovalPage.parse(await system.api("bob").demand("GET", route)).items;
}

/** The one that waits; there is at most one. */
export async function awaitApproval(system: System, target: string): Promise<ApprovalView> {
  return eventually(
    async () => {
      const [waiting] = await approvals(system, target);
      if (!waiting) throw new Error("nothing waits for an approval");
      return waiting;
    },
    { timeoutMs: 20_000 },
  );
}

export async function approve(system: System, id: string, body: object = {}, by = "bob"): Promise<void> {
  await system.api(by).demand("POST", `approvals/${id}/approve`, body);
}
