import { Injectable } from "@nestjs/common";
import { CallsWithoutAccess } from "./calls-without-access.js";
import { HeldCalls } from "./held-calls.js";
import { HeldTasks } from "./held-tasks.js";
import { RequestStates } from "./request-states.js";

/**
 * Everything by which a request waits for people instead of being passed on at once. What is here, in the order in which a
 * request (traffic/client-requests.ts) comes by it:
 *
 *     request-states          takes a requestState of ours off the request, before anything is decided
 *     about-to-wait           it is decided that it waits: what happens from now on counts
 *
 *     held-calls              it needs an approval: a use that is left of one for the session, a task, or a leg
 *       operations-to-hold      the operation as approvers see it, held durably and recorded
 *       approval-legs           waits by a leg; the leg whose turn it is has the approved call run
 *       awaited-approval        the approval, as what a leg waits for
 *       approved-runs           decides again, takes limits, consumes the approval, sends (ADR 0009)
 *       left-behind             takes up what another process held, for a client that comes back to its stream
 *       held-recovery           keeps recordings from calling such a call lost
 *
 *     calls-without-access    it needs access that may be asked for: waits by a leg, and is decided about again
 *       access-on-call          explains how to ask, asks for a reason (reason-form), or files a request
 *       access-words            how that is put
 *
 *     waiting                 what both do while they wait: a leg, progress, another look
 *       leg, open-legs          one open request of the caller; those of this process
 *       delivery, leg-times     how this client waits, and for how long (ADR 0010)
 *       awaited                 what is waited for, whichever of the two it is
 *       leg-endings             what becomes of a leg that waits no longer
 *       held-answers            what its caller is told; approval-words, of an approval
 *
 *     held-tasks              instead of a leg: a task of ours, and what its client asks of it
 *       task-standings          how it stands; a poll that finds it approved is the leg
 *       task-runs               has it run in an exchange of its own, whose answer nobody hears (detached-reply)
 *       run-outcomes            what became of that, from the recording
 *       task-delivery           who may be told; task-answers, in which words
 *
 *     edit-judge              decides about the arguments that an approver puts in place of others
 *     edited-results          tells the caller that it was so
 */
@Injectable()
export class Holding {
  constructor(
    readonly states: RequestStates,
    readonly access: CallsWithoutAccess,
    readonly calls: HeldCalls,
    readonly tasks: HeldTasks,
  ) {}
}
