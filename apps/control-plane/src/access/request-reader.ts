import { Injectable } from "@nestjs/common";
import type { AccessRequestQuery, AccessRequestView, Page } from "@drawbridge/contracts";
import { isPermitted, type Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { ReviewVotes } from "../reviews/index.js";
import { AccessActs } from "./access-acts.js";
import { AccessRequestsRepository, type Onlooker, type StoredRequest } from "./access-requests.repository.js";
import { accessRequestView } from "./access-views.js";
import { RequestExpiry } from "./request-expiry.js";

/** Requests as people see them: their own, those their groups are asked about, and all with access:read_all. */
@Injectable()
export class RequestReader {
  constructor(
    private readonly requests: AccessRequestsRepository,
    private readonly votes: ReviewVotes,
    private readonly expiry: RequestExpiry,
    private readonly acts: AccessActs,
  ) {}

  async list(
    principal: Principal,
    { limit, cursor, ...filter }: AccessRequestQuery,
  ): Promise<Page<AccessRequestView>> {
    const now = this.acts.now();
    const before = readCursor(cursor, UUID);
    const count = limit + 1;
    const found = await this.requests.list(onlookerOf(principal), { ...filter, before }, { now, count });
    const votes = await this.votes.of(
      undefined,
      found.map(({ id }) => id),
    );
    return pageFrom(found, limit, {
      key: ({ id }) => id,
      view: (request) => accessRequestView(request, votes.get(request.id) ?? [], now),
    });
  }

  /** @throws DomainError access_request_not_found, of one that is none of their business as well */
  async visible(principal: Principal, id: string): Promise<StoredRequest> {
    const request = await this.find(id);
    if (!request || !maySee(onlookerOf(principal), request)) throw unknownRequest(id);
    return request;
  }

  async find(id: string): Promise<StoredRequest | undefined> {
    const request = await this.requests.find(id);
    return request && this.expiry.settled(request);
  }

  async view(request: StoredRequest): Promise<AccessRequestView> {
    const votes = (await this.votes.of(undefined, [request.id])).get(request.id) ?? [];
    return accessRequestView(request, votes, this.acts.now());
  }
}

export function onlookerOf({ id, groups, roles }: Principal): Onlooker {
  const storable = groups.filter((group) => !group.includes("\0"));
  return { principal: id, groups: storable, seesAll: isPermitted(roles, "access:read_all") };
}

function maySee({ principal, groups, seesAll }: Onlooker, request: StoredRequest): boolean {
  return (
    seesAll || request.principal === principal || request.terms.groups.some((group) => groups.includes(group))
  );
}

function unknownRequest(id: string): DomainError {
  return new DomainError("access_request_not_found", `there is no access request ${id}`);
}
