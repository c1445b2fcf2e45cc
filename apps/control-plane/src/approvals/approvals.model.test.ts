import { randomUUID } from "node:crypto";
import { missingReviewers, type Reviewers } from "@drawbridge/policy";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Principal } from "../identity/index.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import type { ApprovalOwner, OperationToHold } from "./approvals.js";
import {
  operation,
  ownerOf,
  person,
  startApprovals,
  type TestApprovals,
  toolCall,
} from "./fakes/held-operations.js";

const MINUTE = 60_000;
const ALLOWED = new Set([
  "> pending",
  "pending > approved",
  "pending > denied",
  "pending > expired",
  "pending > cancelled",
  "pending > revoked",
  "approved > consumed",
  "approved > expired",
  "approved > cancelled",
  "approved > revoked",
]);

const OPERATIONS = [
  { from: [{ group: "dba", count: 1 }], minutes: 15 },
  { from: [{ group: "dba", count: 2 }], minutes: 5, later: { group: "leads", count: 1 } },
  {
    from: [
      { group: "dba", count: 1 },
      { group: "leads", count: 1 },
    ],
    minutes: 15,
  },
] as const;

const VOTERS: Readonly<Record<string, { readonly groups: string[]; readonly person: string }>> = {
  bob: { groups: ["dba"], person: "bob" },
  bobby: { groups: ["dba"], person: "bob" },
  carol: { groups: ["dba", "leads"], person: "carol" },
  dave: { groups: ["leads"], person: "dave" },
  // Whoever asks, with another account.
  ally: { groups: ["dba"], person: "alice" },
};

type State = "pending" | "approved" | "consumed" | "denied" | "expired" | "cancelled" | "revoked";

/** What an approval ought to be. */
interface Expected {
  readonly state: State;
  readonly from: readonly Reviewers[];
  readonly votes: readonly string[];
  readonly isEdited: boolean;
  readonly isEscalated: boolean;
  readonly isTold: boolean;
  readonly expiresAt: number;
  readonly presentUntil: number;
  readonly endedAt: number;
}

interface Model {
  readonly now: number;
  readonly epoch: number;
  /** By operation, in the order in which they were made. */
  readonly approvals: readonly (readonly Expected[])[];
}

/** About one operation: the approval of it that was the last when the actions began. */
interface Action {
  readonly act: (typeof ACTS)[number];
  readonly of: number;
  readonly by: string;
}
const ACTS = [
  "hold",
  "approve",
  "edit",
  "deny",
  "revoke by",
  "revoke",
  "cancel",
  "consume",
  "consume elsewhere",
  "attend",
  "told",
  "job",
  "sweep",
  "epoch",
] as const;

interface Begun {
  /** Of each operation the last approval, or -1. */
  readonly last: readonly number[];
  readonly epoch: number;
}

type Step = readonly [Model, string];
type Outcome = readonly [Expected, string];
type Given = { readonly now: number; readonly isSameEpoch: boolean };

const isOpen = ({ state }: Expected): boolean => state === "pending" || state === "approved";
const ended = (approval: Expected, state: State, now: number): Expected => ({
  ...approval,
  state,
  endedAt: now,
});

const present = (approval: Expected, now: number): Expected => ({
  ...approval,
  presentUntil: Math.max(approval.presentUntil, now + MINUTE),
});

function withApproval(model: Model, [of, at]: readonly [number, number], approval: Expected): Model {
  const approvals = model.approvals.map((all, index) => (index === of ? all.with(at, approval) : all));
  return { ...model, approvals };
}

function missing({ from, votes }: Expected): readonly Reviewers[] {
  return missingReviewers(
    from,
    votes.map((voter) => ({ groups: VOTERS[voter]?.groups ?? [] })),
  );
}

function expired(approval: Expected, of: number, now: number): Expected {
  if (!isOpen(approval) || approval.expiresAt > now) return approval;
  const { minutes, ...rest } = OPERATIONS[of] ?? OPERATIONS[0];
  if (approval.state !== "pending" || approval.isEscalated || !("later" in rest))
    return ended(approval, "expired", now);
  return escalated(approval, rest.later, { now, minutes });
}

/** Who is asked then may have approved it already. */
function escalated(
  approval: Expected,
  to: Reviewers,
  { now, minutes }: { readonly now: number; readonly minutes: number },
): Expected {
  const after = { ...approval, from: [to], isEscalated: true, expiresAt: now + minutes * MINUTE };
  const isComplete = approval.votes.length > 0 && missing(after).length === 0;
  return isComplete && approval.presentUntil > now ? { ...after, state: "approved" } : after;
}

function swept(approval: Expected, of: number, now: number): Expected {
  if (isOpen(approval) && approval.presentUntil <= now) return ended(approval, "cancelled", now);
  return expired(approval, of, now);
}

function held(model: Model, of: number): Step {
  const { now } = model;
  const all = model.approvals[of] ?? [];
  const open = all.findIndex(isOpen);
  if (open >= 0) {
    const approval = swept(all[open] as Expected, of, now);
    if (!isOpen(approval)) return held(withApproval(model, [of, open], approval), of);
    return [withApproval(model, [of, open], present(approval, now)), `${open} ${approval.state}`];
  }
  const untold = all.findLastIndex(
    ({ state, isTold, endedAt }) => state !== "cancelled" && !isTold && endedAt > now - 60 * MINUTE,
  );
  if (untold >= 0) return [model, `${untold} ${all[untold]?.state}`];
  const { from, minutes } = OPERATIONS[of] ?? OPERATIONS[0];
  const times = { expiresAt: now + minutes * MINUTE, presentUntil: now + MINUTE, endedAt: 0 };
  const fresh: Expected = {
    state: "pending",
    from,
    votes: [],
    isEdited: false,
    isEscalated: false,
    isTold: false,
    ...times,
  };
  const approvals = model.approvals.map((each, index) => (index === of ? [...each, fresh] : each));
  return [{ ...model, approvals }, `${all.length} pending`];
}

function isAsked({ from }: Expected, by: string): boolean {
  return from.some(({ group }) => VOTERS[by]?.groups.includes(group));
}

function isVisible(approval: Expected, by: string): boolean {
  return VOTERS[by]?.person === "alice" || isAsked(approval, by);
}

/** Undefined: they may. */
function refusal(approval: Expected, by: string): string | undefined {
  if (!isVisible(approval, by)) return "approval_not_found";
  if (approval.state !== "pending") return "already_decided";
  return VOTERS[by]?.person === "alice" ? "own_request" : undefined;
}

function voted(before: Expected, action: Action, { now }: Given): Outcome {
  const { act, of, by } = action;
  if (!isVisible(before, by)) return [before, "approval_not_found"];
  const approval = expired(before, of, now);
  const refused = refusal(approval, by);
  if (refused) return [approval, refused];
  if (act !== "deny" && approval.presentUntil <= now)
    return [ended(approval, "cancelled", now), "requester_absent"];
  const self = VOTERS[by]?.person;
  if (approval.votes.some((voter) => VOTERS[voter]?.person === self)) return [approval, "already_voted"];
  return cast(approval, action, now);
}

function cast(approval: Expected, { act, by }: Action, now: number): Outcome {
  const votes = [...approval.votes, by];
  if (act === "deny") return [{ ...ended(approval, "denied", now), votes }, "ok"];
  const edits = act === "edit" && !approval.isEdited;
  if (edits && approval.votes.length > 0) return [approval, "edit_invalid"];
  const after = { ...approval, votes, isEdited: approval.isEdited || edits };
  return [missing(after).length === 0 ? { ...after, state: "approved" } : after, "ok"];
}

function consumed(approval: Expected, { act }: Action, { now, isSameEpoch }: Given): Outcome {
  const { state, expiresAt, presentUntil } = approval;
  const may = state === "approved" && expiresAt > now && presentUntil > now && act === "consume";
  if (!may) return [approval, "gone"];
  return isSameEpoch ? [ended(approval, "consumed", now), "consumed"] : [approval, "moved"];
}

function revokedBy(approval: Expected, { by }: Action, { now }: Given): Outcome {
  if (!isVisible(approval, by)) return [approval, "approval_not_found"];
  if (!isAsked(approval, by)) return [approval, "not_a_reviewer"];
  return isOpen(approval) ? [ended(approval, "revoked", now), "ok"] : [approval, "already_decided"];
}

/** What each does to the approval that it is about. */
const SAID: Readonly<
  Record<
    Exclude<Action["act"], "hold" | "epoch" | "sweep">,
    (approval: Expected, action: Action, given: Given) => Outcome
  >
> = {
  approve: voted,
  edit: voted,
  deny: voted,
  consume: consumed,
  "consume elsewhere": consumed,
  "revoke by": revokedBy,
  revoke: (approval, _, { now }) => [isOpen(approval) ? ended(approval, "revoked", now) : approval, "ok"],
  cancel: (approval, _, { now }) => [isOpen(approval) ? ended(approval, "cancelled", now) : approval, "ok"],
  attend: (approval, _, { now }) => [isOpen(approval) ? present(approval, now) : approval, "ok"],
  told: (approval) => [isOpen(approval) ? approval : { ...approval, isTold: true }, "ok"],
  job: (approval, { of }, { now }) => [expired(approval, of, now), "ok"],
};

/** What one action alone does, and says. */
function step(model: Model, action: Action, begun: Begun): Step {
  const { now } = model;
  const { act, of } = action;
  if (act === "hold") return held(model, of);
  if (act === "epoch") return [{ ...model, epoch: model.epoch + 1 }, "ok"];
  if (act === "sweep") {
    const approvals = model.approvals.map((all, index) => all.map((each) => swept(each, index, now)));
    return [{ ...model, approvals }, "ok"];
  }
  const at = begun.last[of] ?? -1;
  const approval = model.approvals[of]?.[at];
  if (!approval) return [model, "none"];
  const [after, said] = SAID[act](approval, action, { now, isSameEpoch: model.epoch === begun.epoch });
  return [withApproval(model, [of, at], after), said];
}

/** All models that are left, and what was said, when these happen in one order or another. */
function* orders(
  model: Model,
  actions: readonly Action[],
  begun: Begun,
): Generator<readonly [Model, readonly string[]]> {
  const walk = function* (
    at: Model,
    left: readonly number[],
    said: ReadonlyMap<number, string>,
  ): Generator<readonly [Model, readonly string[]]> {
    if (left.length === 0) yield [at, actions.map((_, index) => said.get(index) ?? "")];
    for (const index of left) {
      const [next, says] = step(at, actions[index] as Action, begun);
      yield* walk(
        next,
        left.filter((each) => each !== index),
        new Map([...said, [index, says]]),
      );
    }
  };
  yield* walk(model, [...actions.keys()], new Map());
}

let platform: TestPlatform;
let replicas: TestApprovals[];
const clock = new HeldClock();

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  replicas = [await startApprovals(platform, clock), await startApprovals(platform, clock)];
  await platform.admin.query(`
    CREATE TABLE transition (number bigserial, id uuid, session_id uuid, digest bytea, said text);
    CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        INSERT INTO public.transition (id, session_id, digest, said) VALUES (NEW.id, NEW.session_id, NEW.requested_digest,
          CASE TG_OP WHEN 'INSERT' THEN '' ELSE OLD.state || ' ' END || '> ' || NEW.state);
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER note_transition AFTER INSERT OR UPDATE ON approval FOR EACH ROW EXECUTE FUNCTION note_transition();`);
});
afterAll(async () => {
  await Promise.all(replicas.map((each) => each.stop()));
  await platform.stop();
});

interface Row {
  readonly id: string;
  readonly state: State;
  readonly erased: boolean;
  readonly edited: boolean;
  readonly escalated: boolean;
  readonly told: boolean;
  readonly expires_at: Date;
  readonly present_until: Date;
  readonly votes: string[];
}

/** The operations of one run, on two replicas over one table. */
class Real {
  readonly run = randomUUID();
  readonly asked: readonly OperationToHold[] = OPERATIONS.map(({ from, minutes, ...rest }, index) => {
    const onExpiry = "later" in rest ? { escalateTo: rest.later } : ("deny" as const);
    const { decision, principal } = operation();
    return operation({
      message: toolCall(`{"limit":${index + 5}}`),
      principal: { ...principal, id: `alice-${this.run}`, identities: [`person:alice-${this.run}`] },
      decision: { ...decision, review: { from, expiresIn: `${minutes}m`, onExpiry } },
    });
  });

  voter(by: string): Principal {
    const { groups, person: self } = VOTERS[by] ?? { groups: [], person: by };
    return person(by, clock.now(), {
      groups,
      identities: [`sub:${by}-${this.run}`, `person:${self}-${this.run}`],
    });
  }

  /** Of one operation, in the order in which they were made. */
  async rows(of: number): Promise<Row[]> {
    const { rows } = await platform.admin.query<Row>(
      `SELECT approval.id, state, sealed IS NULL AS erased, approved_digest IS NOT NULL AS edited,
         escalated_at IS NOT NULL AS escalated, told_at IS NOT NULL AS told, expires_at, present_until,
         array(SELECT principal FROM review_vote WHERE subject_id = approval.id ORDER BY principal) AS votes
       FROM approval JOIN transition ON transition.id = approval.id AND said = '> pending'
       WHERE approval.session_id = $1 ORDER BY number`,
      [this.asked[of]?.sessionId],
    );
    return rows;
  }

  async act(
    { act, of, by }: Action,
    at: { id: string | undefined; epoch: bigint; replica: TestApprovals },
  ): Promise<string> {
    const { id, epoch, replica } = at;
    const asked = this.asked[of] as OperationToHold;
    if (act === "hold") {
      const approval = await replica.approvals.hold(asked);
      return `${approval.id} ${approval.state}`;
    }
    if (act === "sweep") return ok(replica.jobs.run("sweep-approvals"));
    if (act === "epoch") return ok(platform.admin.query(MOVE_EPOCH));
    if (id === undefined) return "none";
    const owner = ownerOf(asked);
    return DONE[act](replica, id, { voter: this.voter(by), owner, run: { epoch, exchange: 2 } });
  }

  /** All callers were there all the while. */
  async attend(): Promise<void> {
    await platform.admin.query(
      "UPDATE approval SET present_until = greatest(present_until, $2) WHERE session_id = ANY($1) AND sealed IS NOT NULL",
      [this.asked.map(({ sessionId }) => sessionId), new Date(clock.at.getTime() + MINUTE)],
    );
  }
}

const MOVE_EPOCH = "UPDATE authorization_epoch SET value = value + 1";

interface Means {
  readonly voter: Principal;
  readonly owner: ApprovalOwner;
  readonly run: { readonly epoch: bigint; readonly exchange: number };
}

const DONE: Readonly<
  Record<keyof typeof SAID, (replica: TestApprovals, id: string, means: Means) => Promise<string>>
> = {
  approve: ({ approving }, id, { voter }) => ok(approving.approve(voter, id, {})),
  edit: ({ approving }, id, { voter }) => ok(approving.approve(voter, id, { edits: { "/limit": 1 } })),
  deny: ({ denials }, id, { voter }) => ok(denials.deny(voter, id, "no")),
  "revoke by": ({ denials }, id, { voter }) => ok(denials.revoke(voter, id, "no")),
  consume: ({ approvals }, id, { owner, run }) => approvals.consume(id, owner, run),
  "consume elsewhere": ({ approvals }, id, { owner, run }) =>
    approvals.consume(id, { ...owner, sessionId: randomUUID() }, run),
  revoke: ({ approvals }, id) => ok(approvals.revoke(id, "because")),
  cancel: ({ approvals }, id) => ok(approvals.cancel(id, "because")),
  attend: ({ approvals }, id) => ok(approvals.attend(id, 3)()),
  told: ({ approvals }, id) => ok(approvals.told(id)),
  job: ({ jobs }, id) => ok(jobs.runLater("expire-approval", id)),
};

async function ok(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

/** What a row shows of what is expected of it. */
function shown({ state, votes, isEdited, isEscalated, isTold, expiresAt, presentUntil }: Expected) {
  const times = isOpen({ state } as Expected) ? { expiresAt, presentUntil } : {};
  return JSON.stringify({ state, votes: votes.toSorted(), isEdited, isEscalated, isTold, ...times });
}

function shownOf(row: Row): string {
  const { state, votes, edited, escalated, told } = row;
  const open = { expiresAt: row.expires_at.getTime(), presentUntil: row.present_until.getTime() };
  const times = state === "pending" || state === "approved" ? open : {};
  return JSON.stringify({ state, votes, isEdited: edited, isEscalated: escalated, isTold: told, ...times });
}

type Box = { model: Model };

/** Some actions at once, which must look as if they had happened one after the other. */
class AtOnce implements fc.AsyncCommand<Box, Real> {
  constructor(private readonly actions: readonly Action[]) {}

  check = () => true;

  async run(box: Box, real: Real): Promise<void> {
    const before = await Promise.all(OPERATIONS.map((_, of) => real.rows(of)));
    const epoch = await readEpoch(platform.database);
    const begun = { last: before.map((rows) => rows.length - 1), epoch: box.model.epoch };
    const said = await Promise.all(
      this.actions.map((action, index) =>
        real.act(action, {
          id: before[action.of]?.at(-1)?.id,
          epoch,
          replica: replicas[index % replicas.length] as TestApprovals,
        }),
      ),
    );
    const after = await Promise.all(OPERATIONS.map((_, of) => real.rows(of)));
    const ordinals = new Map(
      after.flatMap((rows) => rows.map(({ id }, index) => [id, String(index)] as const)),
    );
    const saw = JSON.stringify([
      said.map((each) => each.replace(/^\S+/, (first) => ordinals.get(first) ?? first)),
      after.map((rows) => rows.map(shownOf)),
    ]);
    const explanations: string[] = [];
    for (const [model, says] of orders(box.model, this.actions, begun)) {
      const expected = JSON.stringify([says, model.approvals.map((all) => all.map(shown))]);
      explanations.push(expected);
      if (expected !== saw) continue;
      box.model = model;
      break;
    }
    if (!explanations.includes(saw))
      throw new Error(`no order of the actions explains ${saw}; one would be ${explanations[0]}`);
    const kept = after
      .flat()
      .filter(({ state, erased }) => erased === (state === "pending" || state === "approved"));
    if (kept.length > 0) throw new Error("an operation is kept after its end, or erased before");
  }

  toString = () => `at once: ${this.actions.map(({ act, of, by }) => `${act} ${of} (${by})`).join(", ")}`;
}

/** One operation is held and approved, if it can be, by people one after the other. */
class Approved implements fc.AsyncCommand<Box, Real> {
  constructor(private readonly of: number) {}

  check = () => true;

  async run(box: Box, real: Real): Promise<void> {
    const { of } = this;
    const acts = [
      { act: "told", of, by: "" },
      { act: "hold", of, by: "" },
      { act: "approve", of, by: "dave" },
      { act: "approve", of, by: "carol" },
      { act: "approve", of, by: "bob" },
    ] as const;
    for (const each of acts) await new AtOnce([each]).run(box, real);
  }

  toString = () => `approved ${this.of}`;
}

/** Callers stay, or leave. */
class Wait implements fc.AsyncCommand<Box, Real> {
  constructor(
    private readonly ms: number,
    private readonly stay: boolean,
  ) {}

  check = () => true;

  async run(box: Box, real: Real): Promise<void> {
    clock.advance(this.ms);
    const now = clock.at.getTime();
    if (this.stay) await real.attend();
    const after = (each: Expected) => (this.stay && isOpen(each) ? present(each, now) : each);
    box.model = { ...box.model, now, approvals: box.model.approvals.map((all) => all.map(after)) };
  }

  toString = () => `wait ${this.ms} ms${this.stay ? ", callers stay" : ""}`;
}

const action = fc.record<Action>({
  act: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...(["hold", "approve", "approve", "consume"] as const)) },
    { weight: 1, arbitrary: fc.constantFrom(...ACTS) },
  ),
  of: fc.nat({ max: OPERATIONS.length - 1 }),
  by: fc.constantFrom(...Object.keys(VOTERS)),
});
/** About one operation, so that they get in each other's way. */
const rivals = fc
  .tuple(fc.nat({ max: OPERATIONS.length - 1 }), fc.array(action, { minLength: 2, maxLength: 4 }))
  .map(([of, actions]) => new AtOnce(actions.map((each) => ({ ...each, of }))));
const alone = action.map((each) => new AtOnce([each]));
/** What gets in the way of a run. */
const runs = fc
  .tuple(
    fc.nat({ max: OPERATIONS.length - 1 }),
    fc.array(fc.constantFrom("consume", "consume", "epoch", "revoke", "cancel", "sweep", "job", "attend"), {
      minLength: 1,
      maxLength: 3,
    }) as fc.Arbitrary<Action["act"][]>,
  )
  .map(([of, acts]) => new AtOnce([...acts, "consume" as const].map((act) => ({ act, of, by: "bob" }))));
const approved = fc.nat({ max: OPERATIONS.length - 1 }).map((of) => new Approved(of));
const waits = fc
  .tuple(
    fc.constantFrom(1_000, 30_000, MINUTE - 1, MINUTE, 5 * MINUTE, 15 * MINUTE, 61 * MINUTE),
    fc.boolean(),
  )
  .map(([ms, stay]) => new Wait(ms, stay || ms < MINUTE));

test("whatever people, callers, sweeps and time do at once, approvals go from state to state as they may, and run at most once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([alone, rivals, approved, runs, runs, waits], { maxCommands: 40, size: "max" }),
      async (commands) => {
        const real = new Real();
        const model: Model = { now: clock.at.getTime(), epoch: 0, approvals: OPERATIONS.map(() => []) };
        await fc.asyncModelRun(() => ({ model: { model }, real }), commands);
      },
    ),
    { numRuns: 25, interruptAfterTimeLimit: 90_000 },
  );
  const { rows } = await platform.admin.query<{ said: string; count: string }>(
    "SELECT said, count(*) FROM transition GROUP BY said",
  );
  expect(rows.map(({ said }) => said).filter((said) => !ALLOWED.has(said))).toEqual([]);
  const consumed = await platform.admin.query(
    "SELECT FROM transition WHERE said = 'approved > consumed' GROUP BY id HAVING count(*) > 1",
  );
  expect(consumed.rows).toEqual([]);
  console.info("transitions:", Object.fromEntries(rows.map(({ said, count }) => [said, Number(count)])));
}, 240_000);
