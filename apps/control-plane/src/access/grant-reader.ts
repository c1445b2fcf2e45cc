import { Injectable } from "@nestjs/common";
import type { GrantQuery, GrantView, Page } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { AccessActs } from "./access-acts.js";
import { AccessRequestsRepository, type StoredRequest } from "./access-requests.repository.js";
import { grantView } from "./access-views.js";
import { GrantsRepository, type StoredGrant } from "./grants.repository.js";
import { onlookerOf } from "./request-reader.js";

/** A grant, with the request that it came of where there is one. */
export interface KnownGrant {
  readonly grant: StoredGrant;
  readonly request: StoredRequest | undefined;
}

/** Grants as people see them: their own, those their groups were asked about, and all with access:read_all. */
@Injectable()
export class GrantReader {
  constructor(
    private readonly grants: GrantsRepository,
    private readonly requests: AccessRequestsRepository,
    private readonly acts: AccessActs,
  ) {}

  async list(principal: Principal, { limit, cursor, ...filter }: GrantQuery): Promise<Page<GrantView>> {
    const now = this.acts.now();
    const before = readCursor(cursor, UUID);
    const count = limit + 1;
    const found = await this.grants.list(onlookerOf(principal), { ...filter, before }, { now, count });
    return pageFrom(found, limit, { key: ({ id }) => id, view: (grant) => grantView(grant, now) });
  }

  /** @throws DomainError grant_not_found, of one that is none of their business as well */
  async visible(principal: Principal, id: string): Promise<KnownGrant> {
    const { groups, seesAll } = onlookerOf(principal);
    const grant = await this.grants.find(id);
    const request = grant?.requestId ? await this.requests.find(grant.requestId) : undefined;
    const maySee = seesAll || grant?.principal === principal.id || isAsked(request, groups);
    if (!grant || !maySee) throw new DomainError("grant_not_found", `there is no grant ${id}`);
    return { grant, request };
  }

  view(grant: StoredGrant): GrantView {
    return grantView(grant, this.acts.now());
  }
}

/** Whether somebody of these groups is, or was, asked about the request. */
export function isAsked(request: StoredRequest | undefined, groups: readonly string[]): boolean {
  return request?.terms.groups.some((group) => groups.includes(group)) ?? false;
}
