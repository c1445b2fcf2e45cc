import { randomUUID } from "node:crypto";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { Test, type TestingModule } from "@nestjs/testing";
import { CONFIG } from "../../config.js";
import type { Principal } from "../../identity/index.js";
import { Clock } from "../../platform/clock.js";
import { TestJobs } from "../../platform/fakes/test-jobs.js";
import type { TestPlatform } from "../../platform/fakes/test-platform.js";
import { Jobs, Messages } from "../../platform/jobs.js";
import type { ApprovalOwner, JudgeEdit, OperationToHold } from "../approvals.js";
import { Approvals } from "../approvals.service.js";
import { ApprovalsModule } from "../approvals.module.js";
import { Approving } from "../approving.js";
import { Denials } from "../denials.js";

// There is one replica in a test, or they find out by looking.
const nobodyElse = () => Promise.resolve();

/** The approvals of one replica. */
export interface TestApprovals {
  readonly module: TestingModule;
  readonly approvals: Approvals;
  readonly approving: Approving;
  readonly denials: Denials;
  readonly jobs: TestJobs;
  /** What the gateway says of edited operations. Allowed unless set. */
  judge: JudgeEdit;
  stop(): Promise<void>;
}

export async function startApprovals(platform: TestPlatform, clock: Clock): Promise<TestApprovals> {
  const jobs = new TestJobs();
  const module = await Test.createTestingModule({ imports: [ApprovalsModule] })
    .overrideProvider(CONFIG)
    .useValue(platform.config)
    .overrideProvider(Clock)
    .useValue(clock)
    .overrideProvider(Jobs)
    .useValue(jobs)
    .overrideProvider(Messages)
    .useValue({ publish: nobodyElse, subscribe: nobodyElse })
    .compile();
  await module.init();
  const approvals = module.get(Approvals);
  const started: TestApprovals = {
    module,
    approvals,
    approving: module.get(Approving),
    denials: module.get(Denials),
    jobs,
    judge: () => Promise.resolve({ effect: "allow" }),
    stop: () => module.close(),
  };
  approvals.setJudge((edit) => started.judge(edit));
  return started;
}

/** Somebody of the group dba who has just signed in. */
export function person(id: string, now: Date, said: Partial<Principal> = {}): Principal {
  return {
    id,
    email: undefined,
    groups: ["dba"],
    identities: [`sub:${id}`],
    isMachine: false,
    client: "cli",
    roles: ["user"],
    expiresAt: new Date(now.getTime() + 3_600_000),
    signedInAt: now,
    ...said,
  };
}

export function toolCall(args: string, more = ""): McpRequest {
  const text = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"run","arguments":${args}${more}}}`;
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== "request") throw new Error("a tool call is a request");
  return message;
}

const TARGET = { id: randomUUID(), name: "shop" };

/** Alice's call of the tool `run` in a session of its own, which one of dba must approve. */
export function operation(said: Partial<OperationToHold> = {}): OperationToHold {
  return {
    sessionId: randomUUID(),
    exchange: 1,
    principal: {
      id: "alice",
      email: "alice@example.test",
      groups: ["engineering"],
      identities: ["sub:alice", "email:alice@example.test"],
      client: "editor",
    },
    clientName: "Editor",
    target: TARGET,
    message: toolCall('{"sql":"delete from orders","limit":5}'),
    parameterHeaders: {},
    toolDigest: Buffer.alloc(32, 1),
    preview: Buffer.from('{"name":"run","arguments":{"sql":"[masked]"}}'),
    decision: {
      policy: "shop-engineering",
      version: 3,
      rule: "ask-before-writing",
      reason: "writing needs an approval",
      review: { from: [{ group: "dba", count: 1 }], expiresIn: "15m", onExpiry: "deny" },
    },
    ...said,
  };
}

export function asking(...from: readonly { group: string; count: number }[]): Partial<OperationToHold> {
  const { decision } = operation();
  return { decision: { ...decision, review: { from, expiresIn: "15m", onExpiry: "deny" } } };
}

export function ownerOf({ sessionId, principal }: OperationToHold): ApprovalOwner {
  return { sessionId, principal: principal.id, oauthClient: principal.client };
}
