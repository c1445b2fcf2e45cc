import { randomUUID } from "node:crypto";
import { missingReviewers, type Reviewers } from "@drawbridge/policy";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import type { Principal } from "../identity/index.js";
import { LocksService } from "../locks/fakes/index.js";
import { Clock } from "../platform/clock.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AccessRequests } from "./access-requests.js";
import { AccessReview } from "./access-review.js";
import { LONGEST_ACCESS_MS } from "./access-terms.js";
import { GrantActs } from "./grant-acts.js";
import { GrantExtensions } from "./grant-extensions.js";
import { AccessModule } from "./index.js";
import { LiveGrants } from "./live-grants.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TARGET = "shop";
const ALLOWED = new Set([
  "request > pending",
  "request pending > approved",
  "request pending > denied",
  "request pending > expired",
  "request pending > withdrawn",
  "grant > active",
  "grant active > ended",
  "grant active > returned",
  "grant active > revoked",
]);

interface Wish {
  /** Nobody is asked about the one without. */
  readonly from: readonly Reviewers[];
  readonly minutes: number;
  readonly later?: Reviewers;
  /** What is asked for, and what the policy gives at most. */
  readonly hours: number;
  readonly atMost: number;
}

const WISHES: readonly Wish[] = [
  { from: [{ group: "dba", count: 1 }], minutes: 15, hours: 1, atMost: 4 },
  {
    from: [{ group: "dba", count: 2 }],
    minutes: 5,
    later: { group: "leads", count: 1 },
    hours: 1,
    atMost: 2,
  },
  // Two of these are longer than any access lasts.
  {
    from: [
      { group: "dba", count: 1 },
      { group: "leads", count: 1 },
    ],
    minutes: 15,
    hours: 60 * 24,
    atMost: 60 * 24,
  },
  { from: [], minutes: 1, hours: 1, atMost: 2 },
];

const VOTERS: Readonly<Record<string, { readonly groups: string[]; readonly person: string }>> = {
  bob: { groups: ["dba"], person: "bob" },
  bobby: { groups: ["dba"], person: "bob" },
  carol: { groups: ["dba", "leads"], person: "carol" },
  dave: { groups: ["leads"], person: "dave" },
  // Whoever asks, with another account.
  ally: { groups: ["dba"], person: "alice" },
};

/** What a request ought to be. */
interface Request {
  readonly kind: "access" | "extension";
  readonly state: "pending" | "approved" | "denied" | "expired" | "withdrawn";
  readonly startsAt: number | undefined;
  readonly expiresAt: number;
  readonly isEscalated: boolean;
  readonly votes: readonly string[];
  /** What came of it, or is to last longer: the place among the grants. */
  readonly grant: number | undefined;
  /** Whoever escalates it looks next whether those who are asked now have approved already. */
  readonly isLookedAt: boolean;
}

interface Grant {
  readonly state: "active" | "ended" | "returned" | "revoked";
  readonly startsAt: number;
  readonly endsAt: number;
  readonly isEscalated: boolean;
}

/** All that alice asked for under one policy, in the order in which it was made. */
interface Asked {
  readonly requests: readonly Request[];
  readonly grants: readonly Grant[];
}

interface Model {
  readonly now: number;
  readonly asked: readonly Asked[];
  /** The number of the lock of whoever is locked. */
  readonly locks: Readonly<Record<string, number>>;
  readonly locksSoFar: number;
}

const ACTS = [
  "ask",
  "ask for later",
  "approve",
  "deny",
  "withdraw",
  "extend",
  "return",
  "revoke",
  "request is due",
  "grant is over",
  "sweep",
  "lock",
  "unlock",
] as const;

interface Action {
  readonly act: (typeof ACTS)[number];
  readonly of: number;
  readonly by: string;
}

/** What the actions are about: what there was when they began. */
interface Begun {
  readonly requests: readonly number[];
  readonly grants: readonly number[];
  readonly locks: Readonly<Record<string, number>>;
}

type Step = readonly [Model, string];

/** One request or grant of one wish. */
interface Place {
  readonly of: number;
  readonly at: number;
}

const wishOf = (of: number): Wish => WISHES[of] as Wish;
const askedOf = (model: Model, of: number): Asked => model.asked[of] as Asked;

function withAsked(model: Model, of: number, asked: Asked): Model {
  return { ...model, asked: model.asked.with(of, asked) };
}

function withRequest(model: Model, { of, at }: Place, request: Request): Model {
  const asked = askedOf(model, of);
  return withAsked(model, of, { ...asked, requests: asked.requests.with(at, request) });
}

function withGrant(model: Model, { of, at }: Place, grant: Grant): Model {
  const asked = askedOf(model, of);
  return withAsked(model, of, { ...asked, grants: asked.grants.with(at, grant) });
}

const requestAt = (model: Model, { of, at }: Place) => askedOf(model, of).requests[at];
const grantAt = (model: Model, { of, at }: Place) => askedOf(model, of).grants[at];

/** Who is asked now, and who ever was. */
function askedNow({ isEscalated }: Pick<Request, "isEscalated">, { from, later }: Wish) {
  return isEscalated && later ? [later] : from;
}
function askedEver({ isEscalated }: Pick<Request, "isEscalated">, { from, later }: Wish) {
  return isEscalated && later ? [...from, later] : from;
}
function isAmong(reviewers: readonly Reviewers[], by: string): boolean {
  return reviewers.some(({ group }) => VOTERS[by]?.groups.includes(group));
}

function isComplete({ locks }: Model, request: Request, wish: Wish): boolean {
  const counted = request.votes.filter((by) => locks[by] === undefined);
  const groups = counted.map((by) => ({ groups: VOTERS[by]?.groups ?? [] }));
  return counted.length > 0 && missingReviewers(askedNow(request, wish), groups).length === 0;
}

/** What time has done to a request. */
function settled(model: Model, place: Place): Model {
  const request = requestAt(model, place);
  if (request?.state !== "pending" || request.expiresAt > model.now) return model;
  const { later, minutes } = wishOf(place.of);
  if (!later || request.isEscalated) return withRequest(model, place, { ...request, state: "expired" });
  const expiresAt = model.now + minutes * MINUTE;
  return withRequest(model, place, { ...request, isEscalated: true, expiresAt, isLookedAt: true });
}

function lookedAt(model: Model, place: Place): Model {
  const request = { ...(requestAt(model, place) as Request), isLookedAt: false };
  const without = withRequest(model, place, request);
  if (request.state !== "pending" || !isComplete(model, request, wishOf(place.of))) return without;
  const [after, said] = given(without, place, "people");
  return said === "ok" ? after : without;
}

/** The request is approved, and what comes of it. */
function given(model: Model, place: Place, by: "people" | "policy"): Step {
  const { of } = place;
  const { now } = model;
  const { hours } = wishOf(of);
  const request = { ...(requestAt(model, place) as Request), state: "approved" as const };
  if (request.kind === "extension") return extended(model, { place, request, by });
  const startsAt = Math.max(request.startsAt ?? now, now);
  const { isEscalated } = request;
  const grant: Grant = { state: "active", startsAt, endsAt: startsAt + hours * HOUR, isEscalated };
  const { requests, grants } = askedOf(model, of);
  const decided = requests.with(place.at, { ...request, grant: grants.length });
  return [withAsked(model, of, { requests: decided, grants: [...grants, grant] }), "ok"];
}

function extended(
  model: Model,
  { place, request, by }: { place: Place; request: Request; by: "people" | "policy" },
): Step {
  const { of } = place;
  const { now } = model;
  const at = { of, at: request.grant ?? -1 };
  const grant = grantAt(model, at);
  if (!grant || !isRunning(grant, now)) return [model, "grant_not_active"];
  const { hours, atMost } = wishOf(of);
  const latest = by === "policy" ? now + atMost * HOUR : Infinity;
  const endsAt = Math.min(grant.endsAt + hours * HOUR, latest, grant.startsAt + 90 * DAY);
  if (endsAt <= grant.endsAt) return [model, "access_request_invalid"];
  return [withGrant(withRequest(model, place, request), at, { ...grant, endsAt }), "ok"];
}

const isRunning = ({ state, endsAt }: Grant, now: number) => state === "active" && endsAt > now;

/** A request is made; where nobody is asked it is approved with it, or not made. */
function filed(model: Model, of: number, said: Pick<Request, "kind" | "startsAt" | "grant">): Step {
  const { now } = model;
  const asked = askedOf(model, of);
  const isSame = ({ kind, grant, state, expiresAt }: Request) =>
    state === "pending" &&
    expiresAt > now &&
    kind === said.kind &&
    (kind === "access" || grant === said.grant);
  if (asked.requests.some(isSame)) return [model, "access_request_pending"];
  const { from, minutes } = wishOf(of);
  const expiresAt = now + minutes * MINUTE;
  const fresh = { isEscalated: false, votes: [], isLookedAt: false, state: "pending" as const };
  const requests = [...asked.requests, { ...said, ...fresh, expiresAt }];
  const after = withAsked(model, of, { ...asked, requests });
  if (from.length > 0) return [after, "ok"];
  const [approved, says] = given(after, { of, at: requests.length - 1 }, "policy");
  return says === "ok" ? [approved, says] : [model, says];
}

function extensionAsked(model: Model, place: Place): Step {
  const grant = grantAt(model, place);
  if (!grant) return [model, "none"];
  if (!isRunning(grant, model.now)) return [model, "grant_not_active"];
  return filed(model, place.of, { kind: "extension", startsAt: undefined, grant: place.at });
}

/** Undefined: they may. */
function refusal(request: Request, wish: Wish, by: string): string | undefined {
  if (!isAmong(askedEver(request, wish), by)) return "access_request_not_found";
  if (VOTERS[by]?.person === "alice") return "own_request";
  if (!isAmong(askedNow(request, wish), by)) return "not_a_reviewer";
  return request.state === "pending" ? undefined : "already_decided";
}

function voted(before: Model, place: Place, { act, of, by }: Action): Step {
  if (!requestAt(before, place)) return [before, "none"];
  const model = settled(before, place);
  const request = requestAt(model, place) as Request;
  const wish = wishOf(of);
  const refused = refusal(request, wish, by);
  if (refused) return [model, refused];
  const self = VOTERS[by]?.person;
  if (request.votes.some((voter) => VOTERS[voter]?.person === self)) return [model, "already_voted"];
  const cast = { ...request, votes: [...request.votes, by] };
  if (act === "deny") return [withRequest(model, place, { ...cast, state: "denied" }), "ok"];
  const after = withRequest(model, place, cast);
  if (!isComplete(model, cast, wish)) return [after, "ok"];
  const [approved, says] = given(after, place, "people");
  return says === "ok" ? [approved, says] : [model, says];
}

function withdrawn(before: Model, place: Place): Step {
  if (!requestAt(before, place)) return [before, "none"];
  const model = settled(before, place);
  const request = requestAt(model, place) as Request;
  if (request.state !== "pending") return [model, "already_decided"];
  return [withRequest(model, place, { ...request, state: "withdrawn" }), "ok"];
}

function grantEnded(model: Model, place: Place, state: "returned" | "revoked"): Step {
  const grant = grantAt(model, place) as Grant;
  if (!isRunning(grant, model.now)) return [model, "grant_not_active"];
  return [withGrant(model, place, { ...grant, state }), "ok"];
}

function revoked(model: Model, place: Place, by: string): Step {
  const grant = grantAt(model, place);
  if (!grant) return [model, "none"];
  if (!isAmong(askedEver(grant, wishOf(place.of)), by)) return [model, "grant_not_found"];
  return grantEnded(model, place, "revoked");
}

function grantsOver(model: Model): Model {
  const over = (grant: Grant): Grant =>
    grant.state === "active" && grant.endsAt <= model.now ? { ...grant, state: "ended" } : grant;
  return {
    ...model,
    asked: model.asked.map(({ requests, grants }) => ({ requests, grants: grants.map(over) })),
  };
}

function swept(model: Model): Model {
  const places = model.asked.flatMap(({ requests }, of) => [...requests.keys()].map((at) => ({ of, at })));
  return grantsOver(places.reduce(settled, model));
}

function locked(model: Model, by: string): Step {
  if (model.locks[by] !== undefined) return [model, "already_locked"];
  const locksSoFar = model.locksSoFar + 1;
  return [{ ...model, locksSoFar, locks: { ...model.locks, [by]: locksSoFar } }, "ok"];
}

function unlocked(model: Model, by: string, begun: Begun): Step {
  if (begun.locks[by] === undefined) return [model, "none"];
  if (model.locks[by] !== begun.locks[by]) return [model, "ok"];
  const { [by]: _, ...locks } = model.locks;
  return [{ ...model, locks }, "ok"];
}

interface About {
  readonly request: Place;
  readonly grant: Place;
  readonly begun: Begun;
}

/** What one action alone does, and says. */
const SAID: Readonly<Record<Action["act"], (model: Model, action: Action, about: About) => Step>> = {
  ask: (model, { of }) => filed(model, of, { kind: "access", startsAt: undefined, grant: undefined }),
  "ask for later": (model, { of }) =>
    filed(model, of, { kind: "access", startsAt: model.now + 10 * MINUTE, grant: undefined }),
  approve: (model, action, { request }) => voted(model, request, action),
  deny: (model, action, { request }) => voted(model, request, action),
  withdraw: (model, _, { request }) => withdrawn(model, request),
  extend: (model, _, { grant }) => extensionAsked(model, grant),
  return: (model, _, { grant }) =>
    grantAt(model, grant) ? grantEnded(model, grant, "returned") : [model, "none"],
  revoke: (model, { by }, { grant }) => revoked(model, grant, by),
  "request is due": (model, _, { request }) =>
    requestAt(model, request) ? [settled(model, request), "ok"] : [model, "none"],
  "grant is over": (model) => [grantsOver(model), "ok"],
  sweep: (model) => [swept(model), "ok"],
  lock: (model, { by }) => locked(model, by),
  unlock: (model, { by }, { begun }) => unlocked(model, by, begun),
};

function* toLookAt({ asked }: Model): Generator<Place> {
  for (const [of, { requests }] of asked.entries())
    for (const [at, { isLookedAt }] of requests.entries()) if (isLookedAt) yield { of, at };
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
    let isOver = left.length === 0;
    for (const place of toLookAt(at)) {
      isOver = false;
      yield* walk(lookedAt(at, place), left, said);
    }
    if (isOver) yield [at, actions.map((_, index) => said.get(index) ?? "")];
    for (const index of left) {
      const action = actions[index] as Action;
      const { of } = action;
      const request = { of, at: begun.requests[of] ?? -1 };
      const grant = { of, at: begun.grants[of] ?? -1 };
      const [next, says] = SAID[action.act](at, action, { request, grant, begun });
      yield* walk(
        next,
        left.filter((each) => each !== index),
        new Map([...said, [index, says]]),
      );
    }
  };
  yield* walk(model, [...actions.keys()], new Map());
}

interface Replica {
  readonly api: TestApi;
  readonly requests: AccessRequests;
  readonly review: AccessReview;
  readonly grants: GrantActs;
  readonly extensions: GrantExtensions;
  readonly locks: LocksService;
  readonly live: LiveGrants;
}

const clock = new HeldClock();
let platform: TestPlatform;
let replicas: Replica[];
let targetId: string;

async function startReplica(): Promise<Replica> {
  const api = await startTestApi(platform, { imports: [AccessModule], instead: [[Clock, clock]] });
  const get = <T>(type: new (...args: never[]) => T): T => api.app.get(type, { strict: false });
  return {
    api,
    requests: get(AccessRequests),
    review: get(AccessReview),
    grants: get(GrantActs),
    extensions: get(GrantExtensions),
    locks: get(LocksService),
    live: get(LiveGrants),
  };
}

async function put({ api }: Replica, path: string, body: unknown): Promise<void> {
  api.tokens.set("root", { roles: ["user", "admin"], expiresAt: new Date(clock.at.getTime() + HOUR) });
  const headers = { "content-type": "application/json" };
  const response = await api.fetch("root", `/api/v1/${path}`, {
    method: "PUT",
    headers,
    body: JSON.stringify(body),
  });
  if (response.status >= 300) throw new Error(`${path}: ${await response.text()}`);
}

function policy({ from, minutes, later, atMost }: Wish, of: number): string {
  const onExpiry = later ? { escalateTo: later } : "deny";
  const access =
    from.length === 0
      ? { mode: "jit", activation: "self", reason: "required", maxDuration: `${atMost}h` }
      : {
          mode: "jit",
          activation: "approval",
          maxDuration: `${atMost}h`,
          review: { from, expiresIn: `${minutes}m`, onExpiry },
        };
  // YAML holds JSON.
  return JSON.stringify({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name: `wish-${of}` },
    spec: {
      targets: { names: [TARGET] },
      subjects: { groups: ["engineering"] },
      access,
      rules: [{ name: "all", tools: ["*"], effect: "allow" }],
    },
  });
}

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  const first = await startReplica();
  replicas = [first, await startReplica()];
  await put(first, `targets/${TARGET}`, {
    apiVersion: "drawbridge/v1",
    kind: "Target",
    metadata: { name: TARGET },
    spec: { agentGroup: "lab", transport: { stdio: { command: "/usr/bin/server" } } },
  });
  for (const [of, wish] of WISHES.entries())
    await put(first, `policies/wish-${of}`, { source: policy(wish, of) });
  const { rows } = await platform.admin.query<{ id: string }>("SELECT id FROM target");
  targetId = rows[0]?.id ?? "";
  await platform.admin.query(`
    CREATE TABLE transition (number bigserial, id uuid, said text);
    CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        INSERT INTO public.transition (id, said) VALUES (NEW.id,
          TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '' ELSE ' ' || OLD.state END || ' > ' || NEW.state);
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER note_transition AFTER INSERT OR UPDATE ON access_request
      FOR EACH ROW EXECUTE FUNCTION note_transition('request');
    CREATE TRIGGER note_transition AFTER INSERT OR UPDATE ON access_grant
      FOR EACH ROW EXECUTE FUNCTION note_transition('grant');`);
});
afterAll(async () => {
  for (const { api } of replicas) await api.stop();
  await platform.stop();
});

interface RequestRow {
  readonly id: string;
  readonly policy: string;
  readonly kind: Request["kind"];
  readonly state: Request["state"];
  readonly escalated: boolean;
  readonly expires_at: Date;
  readonly grant_id: string | null;
  readonly votes: string[];
}
interface GrantRow {
  readonly id: string;
  readonly policy: string;
  readonly state: Grant["state"];
  readonly starts_at: Date;
  readonly ends_at: Date;
}
interface Rows {
  readonly requests: readonly RequestRow[];
  readonly grants: readonly GrantRow[];
}

/** What alice and others do in one run, at two replicas over one database. */
class Real {
  readonly run = randomUUID();
  readonly alice = `alice-${this.run}`;

  voter(by: string): Principal {
    const { groups, person } = VOTERS[by] ?? { groups: [], person: by };
    return this.person(`${by}-${this.run}`, groups, person);
  }

  person(id: string, groups: string[], self: string): Principal {
    const now = clock.at.getTime();
    return {
      id,
      email: undefined,
      groups,
      identities: [`sub:${id}`, `person:${self}-${this.run}`],
      isMachine: false,
      client: "cli",
      roles: ["user"],
      expiresAt: new Date(now + HOUR),
      signedInAt: new Date(now),
    };
  }

  /** By wish, in the order in which they were made. */
  async rows(): Promise<readonly Rows[]> {
    const requests = await platform.admin.query<RequestRow>(
      `SELECT r.id, policy, kind, state, escalated_at IS NOT NULL AS escalated, expires_at, grant_id,
         array(SELECT split_part(principal, '-', 1) FROM review_vote WHERE subject_id = r.id) AS votes
       FROM access_request r JOIN transition t ON t.id = r.id AND said = 'request > pending'
       WHERE principal = $1 ORDER BY number`,
      [this.alice],
    );
    const grants = await platform.admin.query<GrantRow>(
      `SELECT g.id, policy, state, starts_at, ends_at
       FROM access_grant g JOIN transition t ON t.id = g.id AND said = 'grant > active'
       WHERE principal = $1 ORDER BY number`,
      [this.alice],
    );
    return WISHES.map((_, of) => {
      const ofWish = (row: { readonly policy: string }) => row.policy === `wish-${of}`;
      return { requests: requests.rows.filter(ofWish), grants: grants.rows.filter(ofWish) };
    });
  }

  async act({ act, of, by }: Action, ids: Ids, replica: Replica): Promise<string> {
    const means = { real: this, of, by, alice: this.person(this.alice, ["engineering"], "alice") };
    try {
      return (await DONE[act](replica, ids, means)) === "none" ? "none" : "ok";
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined || !/^[a-z_]+$/.test(code)) throw error;
      return code;
    }
  }

  /** The lock of each voter who is locked. */
  async lockIds(): Promise<ReadonlyMap<string, string>> {
    const { rows } = await platform.admin.query<{ id: string; subject: string }>(
      "SELECT id, subject FROM lock WHERE released_at IS NULL AND subject LIKE '%' || $1",
      [this.run],
    );
    return new Map(rows.map(({ id, subject }) => [subject.slice(0, subject.indexOf("-")), id]));
  }

  /** Of each replica the grants that calls may use now. */
  async inForce(): Promise<readonly (readonly string[])[]> {
    const epoch = await readEpoch(platform.database);
    const holder = { principal: this.alice, targetId };
    return Promise.all(
      replicas.map(async ({ live }) =>
        (await live.atLeast(epoch)).value.of(holder, clock.now()).map(({ id }) => id),
      ),
    );
  }
}

/** What an action is about, where there is one. */
interface Ids {
  readonly request: string | undefined;
  readonly grant: string | undefined;
  readonly lock: string | undefined;
}

interface Means {
  readonly real: Real;
  readonly alice: Principal;
  readonly of: number;
  readonly by: string;
}

const wanted = (of: number) => ({
  target: TARGET,
  policy: `wish-${of}`,
  reason: "to look",
  duration: `${wishOf(of).hours}h`,
});
const nothing = () => Promise.resolve("none");

const DONE: Readonly<Record<Action["act"], (replica: Replica, ids: Ids, means: Means) => Promise<unknown>>> =
  {
    ask: ({ requests }, _, { alice, of }) => requests.create(alice, wanted(of)),
    "ask for later": ({ requests }, _, { alice, of }) => {
      const startsAt = new Date(clock.at.getTime() + 10 * MINUTE).toISOString();
      return requests.create(alice, { ...wanted(of), startsAt });
    },
    approve: ({ review }, { request }, { real, by }) =>
      request ? review.review(real.voter(by), request, { verdict: "approve" }) : nothing(),
    deny: ({ review }, { request }, { real, by }) =>
      request ? review.review(real.voter(by), request, { verdict: "deny", comment: "no" }) : nothing(),
    withdraw: ({ review }, { request }, { alice }) => (request ? review.withdraw(alice, request) : nothing()),
    extend: ({ extensions }, { grant }, { alice, of }) =>
      grant
        ? extensions.ask(alice, grant, { duration: `${wishOf(of).hours}h`, reason: "not done" })
        : nothing(),
    return: ({ grants }, { grant }, { alice }) => (grant ? grants.return(alice, grant) : nothing()),
    revoke: ({ grants }, { grant }, { real, by }) =>
      grant ? grants.revoke(real.voter(by), grant, { reason: "no" }) : nothing(),
    "request is due": ({ api }, { request }) =>
      request ? api.jobs.runLater("access-request-due", request) : nothing(),
    "grant is over": ({ api }, { grant = randomUUID() }) => api.jobs.runLater("access-grant-over", grant),
    sweep: ({ api }) => api.jobs.run("access-sweep"),
    lock: ({ locks }, _, { real, by }) =>
      locks.create(ROOT, { kind: "principal", subject: real.voter(by).id, reason: "lost" }),
    unlock: ({ locks }, { lock }) => (lock ? locks.release(ROOT, lock) : nothing()),
  };

const ROOT: Principal = {
  id: "root",
  email: undefined,
  groups: [],
  identities: ["sub:root"],
  isMachine: false,
  client: "console",
  roles: ["user", "admin"],
  expiresAt: new Date("2099-01-01"),
  signedInAt: undefined,
};

/** What is expected of the rows, and what they are. */
function shown({ asked }: Model): string {
  return JSON.stringify(
    asked.map(({ requests, grants }) => [
      requests.map(({ kind, state, isEscalated, expiresAt, votes, grant }) =>
        [kind, state, isEscalated, expiresAt, votes.toSorted().join("+"), grant ?? "none"].join(" "),
      ),
      grants.map(({ state, startsAt, endsAt }) => [state, startsAt, endsAt].join(" ")),
    ]),
  );
}

function shownOf(rows: readonly Rows[]): string {
  return JSON.stringify(
    rows.map(({ requests, grants }) => [
      requests.map(({ kind, state, escalated, expires_at, votes, grant_id }) => {
        const grant = grant_id === null ? "none" : grants.findIndex(({ id }) => id === grant_id);
        return [kind, state, escalated, expires_at.getTime(), votes.toSorted().join("+"), grant].join(" ");
      }),
      grants.map(({ state, starts_at, ends_at }) =>
        [state, starts_at.getTime(), ends_at.getTime()].join(" "),
      ),
    ]),
  );
}

/** Rather what something can still be done about. */
function lastOf(rows: readonly { readonly state: string }[], open: string): number {
  const at = rows.findLastIndex(({ state }) => state === open);
  return at < 0 ? rows.length - 1 : at;
}

type Box = { model: Model };

/** Some actions at once, which must look as if they had happened one after the other. */
class AtOnce implements fc.AsyncCommand<Box, Real> {
  constructor(private readonly actions: readonly Action[]) {}

  check = () => true;

  async run(box: Box, real: Real): Promise<void> {
    const before = await real.rows();
    const locks = await real.lockIds();
    const begun: Begun = {
      requests: before.map(({ requests }) => lastOf(requests, "pending")),
      grants: before.map(({ grants }) => lastOf(grants, "active")),
      locks: box.model.locks,
    };
    const said = await Promise.all(
      this.actions.map((action, index) => {
        const { requests = [], grants = [] } = before[action.of] ?? {};
        const ids = {
          request: requests[begun.requests[action.of] ?? -1]?.id,
          grant: grants[begun.grants[action.of] ?? -1]?.id,
          lock: locks.get(action.by),
        };
        return real.act(action, ids, replicas[index % replicas.length] as Replica);
      }),
    );
    const after = await real.rows();
    const saw = JSON.stringify([said, shownOf(after)]);
    let one: string | undefined;
    for (const [model, says] of orders(box.model, this.actions, begun)) {
      const expected = JSON.stringify([says, shown(model)]);
      one ??= expected;
      if (expected !== saw) continue;
      box.model = model;
      await this.requireLive(model, after, real);
      return;
    }
    throw new Error(`no order of the actions explains\n${saw}\none would be\n${one}`);
  }

  /** Wherever a call is judged: a grant that has ended lets nothing pass, whether or not anything wrote that down. */
  private async requireLive({ asked, now }: Model, rows: readonly Rows[], real: Real): Promise<void> {
    const expected = asked.flatMap(({ grants }, of) =>
      grants.flatMap((grant, at) =>
        isRunning(grant, now) && grant.startsAt <= now ? [rows[of]?.grants[at]?.id ?? ""] : [],
      ),
    );
    for (const inForce of await real.inForce())
      if (inForce.toSorted().join() !== expected.toSorted().join())
        throw new Error(`in force: ${inForce.join()}, and ought to be: ${expected.join()}`);
  }

  toString = () => `at once: ${this.actions.map(({ act, of, by }) => `${act} ${of} (${by})`).join(", ")}`;
}

class Wait implements fc.AsyncCommand<Box, Real> {
  constructor(private readonly ms: number) {}

  check = () => true;

  run(box: Box): Promise<void> {
    clock.advance(this.ms);
    box.model = { ...box.model, now: clock.at.getTime() };
    return Promise.resolve();
  }

  toString = () => `wait ${this.ms / 1_000} s`;
}

const wish = fc.nat({ max: WISHES.length - 1 });
const by = fc.constantFrom(...Object.keys(VOTERS));
const often = ["ask", "approve", "approve", "approve", "extend"] as const;
const act = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...often) },
  { weight: 2, arbitrary: fc.constantFrom(...ACTS) },
);
const action = fc.record<Action>({ act, of: wish, by });
const alone = action.map((each) => new AtOnce([each]));
/** About one wish, so that they get in each other's way. */
const rivals = fc
  .tuple(wish, fc.array(action, { minLength: 2, maxLength: 4 }))
  .map(([of, actions]) => new AtOnce(actions.map((each) => ({ ...each, of }))));
/** Something waits, and people disagree about it. */
const votes = fc
  .tuple(
    wish,
    fc.constantFrom("ask", "extend"),
    fc.array(
      fc.record({ act: fc.constantFrom("approve", "approve", "approve", "deny", "withdraw", "lock"), by }),
      {
        minLength: 2,
        maxLength: 4,
      },
    ),
  )
  .map(
    ([of, first, actions]) =>
      new InTurn([
        [{ act: first as "ask", of, by: "bob" }],
        actions.map((each) => ({ ...each, of }) as Action),
      ]),
  );
/** Access is given, if it can be, and people disagree about how long, while it lasts and when its time is over. */
const ends = fc
  .tuple(
    wish,
    fc.array(
      fc.record({ act: fc.constantFrom("extend", "return", "revoke", "grant is over", "approve"), by }),
      { minLength: 2, maxLength: 4 },
    ),
    fc.constantFrom(0, 0, HOUR, 60 * DAY),
    fc.boolean(),
  )
  .map(([of, actions, ms, isExtended]) => {
    const voters = (act: Action["act"], ...names: string[]) => names.map((voter) => [{ act, of, by: voter }]);
    return new InTurn([
      ...voters("unlock", "bob", "carol", "dave"),
      ...voters("ask", "bob"),
      ...voters("approve", "carol", "bob", "dave"),
      ...(isExtended ? [...voters("extend", "bob"), ...voters("approve", "carol", "bob", "dave")] : []),
      ms,
      actions.map((each) => ({ ...each, of }) as Action),
    ]);
  });
const waits = fc
  .constantFrom(1_000, 5 * MINUTE - 1_000, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 45 * DAY)
  .map((ms) => new Wait(ms));

/** Actions at once, or how long it takes until the next. */
class InTurn implements fc.AsyncCommand<Box, Real> {
  constructor(private readonly turns: readonly (readonly Action[] | number)[]) {}

  check = () => true;

  async run(box: Box, real: Real): Promise<void> {
    for (const each of this.commands) await each.run(box, real);
  }

  toString = () => this.commands.join("; ");

  private get commands() {
    return this.turns.map((turn) => (typeof turn === "number" ? new Wait(turn) : new AtOnce(turn)));
  }
}

test("whatever people, jobs and time do at once, requests and grants go from state to state as they may, and no access outlives its end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([alone, rivals, votes, ends, waits], { maxCommands: 30, size: "max" }),
      async (commands) => {
        const real = new Real();
        const asked = WISHES.map(() => ({ requests: [], grants: [] }));
        const model: Model = { now: clock.at.getTime(), asked, locks: {}, locksSoFar: 0 };
        await fc.asyncModelRun(() => ({ model: { model }, real }), commands);
      },
    ),
    { numRuns: 25, interruptAfterTimeLimit: 40_000 },
  );
  const many = async (sql: string) => (await platform.admin.query(sql)).rows;
  const transitions = (await many("SELECT said, count(*)::int FROM transition GROUP BY said")) as {
    said: string;
    count: number;
  }[];
  expect(transitions.map(({ said }) => said).filter((said) => !ALLOWED.has(said))).toEqual([]);
  // One decision, one grant, one vote, one end, each told of once.
  expect(
    await many(
      "SELECT id FROM transition WHERE said NOT LIKE '% > pending' AND said NOT LIKE '% > active' GROUP BY id HAVING count(*) > 1",
    ),
  ).toEqual([]);
  expect(await many("SELECT request_id FROM access_grant GROUP BY request_id HAVING count(*) > 1")).toEqual(
    [],
  );
  expect(
    await many(`SELECT subject_id FROM review_vote a JOIN review_vote b USING (subject_id)
      WHERE a.principal < b.principal AND a.identities && b.identities`),
  ).toEqual([]);
  expect(
    await many(`SELECT v.principal FROM review_vote v JOIN access_request r ON r.id = subject_id
      WHERE v.identities && r.identities`),
  ).toEqual([]);
  expect(
    await many(`SELECT r.id FROM access_request r WHERE state <> 'denied'
      AND EXISTS (SELECT FROM review_vote WHERE subject_id = r.id AND verdict = 'deny')`),
  ).toEqual([]);
  expect(
    await many(`SELECT subject, kind FROM live_event WHERE kind LIKE 'access_request.%' AND kind NOT LIKE '%.voted'
      OR kind LIKE 'grant.%' GROUP BY subject, kind HAVING count(*) > 1`),
  ).toEqual([]);
  expect(
    await many(
      `SELECT id FROM access_grant WHERE extract(epoch FROM ends_at - starts_at) * 1000 > ${LONGEST_ACCESS_MS}`,
    ),
  ).toEqual([]);
  console.info("transitions:", Object.fromEntries(transitions.map(({ said, count }) => [said, count])));
}, 120_000);
