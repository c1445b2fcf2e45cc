import { Injectable } from "@nestjs/common";
import type { Permission } from "./permissions.js";
import type { Principal } from "./principal.js";

/** @throws DomainError when the principal may not ask, whatever they are permitted */
export type ApiCondition = (principal: Principal, permission: Permission) => Promise<void>;

/** What must hold for every request to the REST API beside the right token and permission. Features that know of more say so here. */
@Injectable()
export class ApiConditions {
  private readonly conditions: ApiCondition[] = [];

  add(condition: ApiCondition): void {
    this.conditions.push(condition);
  }

  /** @throws DomainError */
  async check(principal: Principal, permission: Permission): Promise<void> {
    for (const condition of this.conditions) await condition(principal, permission);
  }
}
