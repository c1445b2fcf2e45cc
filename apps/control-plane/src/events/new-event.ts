import type { EventKind } from "@drawbridge/contracts";
import type { Permission } from "../identity/index.js";

/** What is told live and by notifications. Flat, small and masked: everybody in its audience sees all of it. */
export interface NewEvent {
  readonly kind: EventKind;
  /** Id of the approval, request, grant, session or lock; name of the agent. */
  readonly subject: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
  readonly audience: Audience;
}

/** Who may hear of it: any of these. */
export interface Audience {
  readonly principals?: readonly string[];
  /** Groups of the identity provider. */
  readonly groups?: readonly string[];
  /** Whoever has it hears of it. */
  readonly permission: Permission;
}
