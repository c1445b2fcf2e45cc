import { Injectable } from "@nestjs/common";
import type { Principal } from "../identity/index.js";
import type { Target } from "../targets/index.js";

/** Whoever may give themselves access gets it with a session, for that session only. */
@Injectable()
export class SelfActivation {
  /** At session open, before anything is decided in it. With a grant that is in force already there is no other. */
  activate(_opened: {
    readonly principal: Principal;
    readonly target: Pick<Target, "id" | "name" | "labels">;
    readonly sessionId: string;
  }): Promise<void> {
    throw new Error("not there yet");
  }

  /** Ends what holds for the session only, approvals for the session among it. */
  endOfSession(_sessionId: string): Promise<void> {
    throw new Error("not there yet");
  }
}
