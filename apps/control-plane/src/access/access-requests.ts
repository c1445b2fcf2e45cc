import { Injectable } from "@nestjs/common";
import type { AccessRequestView } from "@drawbridge/contracts";
import type { Reviewers } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";

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
  /**
   * For a call that met no grant, under a policy with `whenCalled: request`: the open request of the same, or a new one;
   * it may be approved at once. @throws DomainError access_not_requestable, locked, too_many_requests_pending
   */
  file(_wanted: AccessToFile): Promise<FiledRequest> {
    throw new Error("not there yet");
  }

  /** Undefined for what is not the principal's. */
  find(_id: string, _owner: { readonly principal: string }): Promise<FiledRequest | undefined> {
    throw new Error("not there yet");
  }

  /** Resolves with how it stands when it is pending no more, or when `signal` aborts. */
  changed(_id: string, _signal: AbortSignal): Promise<FiledRequest> {
    throw new Error("not there yet");
  }
}
