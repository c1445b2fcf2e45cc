import { Inject, Injectable } from "@nestjs/common";
import type { AccessRequestView, CreateAccessRequest } from "@drawbridge/contracts";
import { durationMs, type JitPolicy, type Reviewers } from "@drawbridge/policy";
import { CONFIG, type Config } from "../config.js";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { AccessFiling } from "./access-filing.js";
import type { StoredRequest } from "./access-requests.repository.js";
import { RequestReader } from "./request-reader.js";
import { RequestWatch } from "./request-watch.js";
import { RequestableAccess } from "./requestable-access.js";

/** What a call asks for that met a policy whose rules need a grant. */
export interface AccessToFile {
  readonly principal: Principal;
  readonly target: { readonly id: string; readonly name: string };
  /** Globs; none is the whole target. */
  readonly tools: readonly string[];
  readonly reason: string;
  readonly ticket?: string | undefined;
  readonly sessionId: string;
  /** Decision.requestable: the policies with which the call would not be denied. */
  readonly policies: readonly string[];
}

/** How a request stands that was filed for a caller. */
export interface FiledRequest {
  readonly id: string;
  readonly state: AccessRequestView["state"];
  /** For people: where it is decided. */
  readonly url: string;
  readonly expiresAt: Date;
  /** Who else must approve; empty when nobody must. */
  readonly missing: readonly Reviewers[];
  readonly decidedBy: string | undefined;
  /** Of whoever decided. */
  readonly comment: string | undefined;
}

/** Asking for access. */
@Injectable()
export class AccessRequests {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly requestable: RequestableAccess,
    private readonly filing: AccessFiling,
    private readonly reader: RequestReader,
    private readonly watch: RequestWatch,
  ) {}

  /** @throws DomainError access_not_requestable, access_request_invalid, access_request_pending, locked, too_many_requests_pending */
  async create(principal: Principal, asked: CreateAccessRequest): Promise<AccessRequestView> {
    const { target, policies } = await this.requestable.of(principal, asked.target);
    const isEmergency = asked.breakGlass === true;
    const request = await this.filing.file({
      kind: isEmergency ? "break_glass" : "access",
      principal,
      target,
      policy: theOne(policies, asked),
      tools: [...new Set(asked.tools ?? [])],
      reason: asked.reason,
      ticket: asked.ticket,
      durationMs: asked.duration === undefined ? undefined : durationMs(asked.duration),
      startsAt: asked.startsAt === undefined ? undefined : new Date(asked.startsAt),
    });
    return this.reader.view(request);
  }

  /**
   * For a call that met no grant, under a policy with `whenCalled: request`: the open request of the same, or a new one;
   * it may be approved at once. @throws DomainError access_not_requestable, locked, too_many_requests_pending
   */
  async file(wanted: AccessToFile): Promise<FiledRequest> {
    const { principal, tools, ticket, sessionId } = wanted;
    const reason = wanted.reason.replaceAll(UNPRINTABLE, "\uFFFD");
    const { target, policies } = await this.requestable.of(principal, wanted.target.name);
    const policy = policies.find(
      ({ name, access }) => wanted.policies.includes(name) && access.whenCalled === "request",
    );
    if (!policy || target.id !== wanted.target.id || tools.some(isUnspeakable)) {
      throw new DomainError(
        "access_not_requestable",
        `no policy lets a call ask for access to ${target.name} by itself`,
      );
    }
    const asked = { kind: "access" as const, principal, target, policy, tools, reason, ticket, sessionId };
    return this.filed(await this.filing.file({ ...asked, durationMs: undefined }, "join"));
  }

  /** Undefined for what is not the principal's. */
  async find(id: string, owner: { readonly principal: string }): Promise<FiledRequest | undefined> {
    const request = await this.reader.find(id);
    return request?.principal === owner.principal ? this.filed(request) : undefined;
  }

  /** Resolves with how it stands when it is pending no more, or when `signal` aborts. */
  async changed(id: string, signal: AbortSignal): Promise<FiledRequest> {
    await this.watch.decided(id, signal);
    const request = await this.reader.find(id);
    if (!request) throw new Error(`there is no access request ${id}`);
    return this.filed(request);
  }

  private async filed(request: StoredRequest): Promise<FiledRequest> {
    const { state, decidedBy, comment, review } = await this.reader.view(request);
    return {
      id: request.id,
      state,
      url: `${this.config.publicUrl}/access-requests/${request.id}`,
      expiresAt: request.expiresAt,
      missing: state === "pending" ? review.missing : [],
      decidedBy: decidedBy ?? undefined,
      comment: comment ?? undefined,
    };
  }
}

const UNPRINTABLE = /[\p{Cc}\p{Cs}]/gu;

/** Names come from clients here. */
function isUnspeakable(tool: string): boolean {
  return tool.length > 256 || tool.search(UNPRINTABLE) !== -1;
}

/** The policy that is meant. */
function theOne(
  policies: readonly JitPolicy[],
  { policy: named, breakGlass, target }: CreateAccessRequest,
): JitPolicy {
  const meant = policies.filter(
    ({ name, access }) =>
      (named === undefined || name === named) && (breakGlass !== true || access.breakGlass !== undefined),
  );
  const [policy, other] = meant;
  if (policy && !other) return policy;
  const names = policies.map(({ name }) => name).join(", ");
  throw new DomainError(
    "access_not_requestable",
    policy
      ? `several policies give access to ${target}: say which (--policy), of ${names}`
      : `no policy gives you what you ask for; of ${target} there are: ${names}`,
  );
}
