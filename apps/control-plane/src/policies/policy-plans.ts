import { isDeepStrictEqual } from "node:util";
import { Injectable } from "@nestjs/common";
import type { AffectedPrincipal, PolicyPlan } from "@drawbridge/contracts";
import {
  comparePolicies,
  type CompiledPolicies,
  compilePolicies,
  type Context,
  couldBeAllowed,
  couldBeAllowedNow,
  hasAccess,
  isTargetVisible,
  type PolicyDocument,
} from "@drawbridge/policy";
import { Clock } from "../platform/clock.js";
import type { Target } from "../targets/index.js";
import type { Pin } from "../tools/index.js";
import { withCandidates } from "./candidate-policies.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { FairTurns } from "../platform/fair-turns.js";
import { LiveSurroundings } from "./live-surroundings.js";
import { OpenSessionsRepository, type Use } from "./open-sessions.repository.js";
import { operationFrom } from "./operation-from.js";
import type { StoredPolicy } from "./policies.repository.js";
import { readPolicyNamed } from "./policy-source.js";

import { type SeenPrincipal, SeenPrincipalsRepository } from "./seen-principals.repository.js";

const LOOKED_BACK_MS = 30 * 86_400_000;
const MAX_PRINCIPALS = 1_000;
const MAX_EVALUATIONS = 200_000;
const SHOWN = 100;

/** What is compared: all live policies, and the same with the candidate. */
interface Comparison {
  readonly before: CompiledPolicies;
  readonly after: CompiledPolicies;
  /** Whom and what the old or the new version speaks of: for nobody else anything changes. */
  readonly concerned: CompiledPolicies;
  readonly targets: readonly { readonly target: Target; readonly tools: readonly Pin[] }[];
}

type Affected = Pick<PolicyPlan, "affected" | "affectedCount" | "considered"> & {
  readonly uses: readonly Use[];
};

/** What applying a document would do. */
@Injectable()
export class PolicyPlans {
  constructor(
    private readonly clock: Clock,
    private readonly live: LiveSurroundings,
    private readonly seen: SeenPrincipalsRepository,
    private readonly openSessions: OpenSessionsRepository,
  ) {}

  /** Changes nothing. @throws DomainError as applying it does */
  async plan(name: string, source: string): Promise<PolicyPlan> {
    const document = readPolicyNamed(name, source);
    const policies = await this.live.policies();
    const replaced = policies.find((policy) => policy.name === name);
    if (replaced && isDeepStrictEqual(replaced.document, document)) return unchanged(replaced);
    const comparison = await this.comparison(policies, replaced?.document, document);
    const { uses, ...affected } = await this.affected(comparison);
    return {
      name,
      outcome: replaced ? "changed" : "created",
      version: replaced?.version ?? 0,
      source: replaced?.source,
      changes: comparePolicies(replaced?.document, document),
      ...affected,
      openSessions: uses.length === 0 ? 0 : await this.openSessions.count(uses),
    };
  }

  private async comparison(
    policies: readonly StoredPolicy[],
    replaced: PolicyDocument | undefined,
    document: PolicyDocument,
  ): Promise<Comparison> {
    const { targets, pins } = await this.live.now();
    return {
      before: compilePolicies(policies, ENFORCED_FEATURES),
      after: compilePolicies(withCandidates(policies, [document]), ENFORCED_FEATURES),
      concerned: whomTheySpeakOf(replaced ? [replaced, document] : [document]),
      targets: [...targets.values()].map((target) => ({
        target,
        tools: [...(pins.get(target.id)?.values() ?? [])],
      })),
    };
  }

  private async affected(comparison: Comparison): Promise<Affected> {
    const since = new Date(this.clock.now().getTime() - LOOKED_BACK_MS);
    const principals = await this.seen.since(since, MAX_PRINCIPALS);
    const turns = new FairTurns();
    const losing: AffectedPrincipal[] = [];
    const gaining: AffectedPrincipal[] = [];
    const uses: Use[] = [];
    let considered = 0;
    for (let evaluations = 0; considered < principals.length; considered++) {
      const principal = principals[considered];
      if (!principal || evaluations >= MAX_EVALUATIONS) break;
      for (const { target, tools } of comparison.targets) {
        await turns.next();
        evaluations += 1;
        if (!isTargetVisible(comparison.concerned, target, contextOf(principal))) continue;
        evaluations += 4 * tools.length;
        const change = await changeFor(principal, { target, tools }, { ...comparison, turns });
        if (!change) continue;
        uses.push({ principal: principal.principal, client: principal.client, target: target.name });
        (change.loses.length > 0 ? losing : gaining).push(change);
        // Of all but the first hundred only how many they are is told.
        losing.length = Math.min(losing.length, SHOWN);
        gaining.length = Math.min(gaining.length, SHOWN);
      }
    }
    const affected = [...losing, ...gaining].slice(0, SHOWN);
    return { affected, affectedCount: uses.length, considered, uses };
  }
}

function unchanged({ name, version, source }: StoredPolicy): PolicyPlan {
  const nobody = { affected: [], affectedCount: 0, considered: 0, openSessions: 0 };
  return { name, outcome: "unchanged", version, source, changes: [], ...nobody };
}

/** As if each had one rule that allows everything: then a target is visible to whom a policy speaks of, and to nobody else. */
function whomTheySpeakOf(documents: readonly PolicyDocument[]): CompiledPolicies {
  return compilePolicies(
    documents.map(({ apiVersion, kind, metadata, spec: { targets, subjects } }, index) => ({
      name: String(index),
      version: 0,
      document: {
        apiVersion,
        kind,
        metadata,
        spec: { targets, subjects, rules: [{ name: "anything", effect: "allow" as const }] },
      },
    })),
  );
}

async function changeFor(
  seen: SeenPrincipal,
  { target, tools }: Comparison["targets"][number],
  { before, after, turns }: Comparison & { readonly turns: FairTurns },
): Promise<AffectedPrincipal | undefined> {
  const context = contextOf(seen);
  const gains: string[] = [];
  const loses: string[] = [];
  const compare = (what: string, { could, couldNow }: Rights) => {
    const [was, is] = [could(before), could(after)];
    if (was !== is) (is ? gains : loses).push(what);
    if (!was || !is) return;
    // It can be asked for before and after: the difference is whether it has to be.
    const [wasThere, isThere] = [couldNow(before), couldNow(after)];
    if (wasThere !== isThere) (isThere ? gains : loses).push(`${what} ${WITHOUT_A_GRANT}`);
  };
  compare("*", {
    could: (policies) => isTargetVisible(policies, target, context),
    couldNow: (policies) => hasAccess(policies, target, context),
  });
  for (const { name, definition } of tools) {
    const operation = operationFrom({ target, method: "tools/call", name, tool: definition });
    compare(name, {
      could: (policies) => couldBeAllowed(policies, operation, context),
      couldNow: (policies) => couldBeAllowedNow(policies, operation, context),
    });
    await turns.next();
  }
  if (gains.length + loses.length === 0) return undefined;
  const { principal, email, client } = seen;
  return { principal, ...(email === undefined ? {} : { email }), client, target: target.name, gains, loses };
}

const WITHOUT_A_GRANT = "(without a grant)";

/** What somebody has under policies: if only under a grant that could be asked for, and without asking. */
interface Rights {
  readonly could: (policies: CompiledPolicies) => boolean;
  readonly couldNow: (policies: CompiledPolicies) => boolean;
}

/** An e-mail is only remembered when its issuer had verified it. */
function contextOf({ principal, email, client, groups }: SeenPrincipal): Context {
  return {
    principal: { id: principal, groups, email, emailVerified: email !== undefined },
    client: { id: client },
  };
}
