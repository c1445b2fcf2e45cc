import { Injectable } from "@nestjs/common";
import { CalledAccess } from "./called-access.js";
import { HeldCalls } from "./held-calls.js";
import { HeldTasks } from "./held-tasks.js";
import { RequestStates } from "./request-states.js";

/** Everything by which a request waits for people instead of being passed on at once. */
@Injectable()
export class Holding {
  constructor(
    readonly states: RequestStates,
    readonly access: CalledAccess,
    readonly calls: HeldCalls,
    readonly tasks: HeldTasks,
  ) {}
}
