import type { Type } from "@nestjs/common";
import type { ApplyNotificationChannel, NotificationDeliveryView } from "@drawbridge/contracts";
import type { ApprovalPreview } from "../../approvals/index.js";
import { EventLog, type NewEvent } from "../../events/index.js";
import { startTestApi, type TestApi } from "../../fakes/index.js";
import type { Principal } from "../../identity/index.js";
import { Clock } from "../../platform/clock.js";
import { DomainError } from "../../platform/errors.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../../platform/fakes/test-platform.js";
import { NotificationSender } from "../notification-sender.js";
import { NotificationSweep } from "../notification-sweep.js";
import { NotificationsModule } from "../notifications.module.js";
import { NotifiedApprovals } from "../notified-approvals.js";

/** Approvals of which a test says how they stand. */
export class FakeApprovals implements Pick<NotifiedApprovals, "of" | "deny"> {
  readonly known = new Map<string, ApprovalPreview>();
  readonly denied: { readonly principal: Principal; readonly id: string; readonly comment: string }[] = [];
  /** Who may deny. */
  group = "dba";

  of(id: string): Promise<ApprovalPreview | undefined> {
    return Promise.resolve(this.known.get(id));
  }

  deny(principal: Principal, id: string, comment: string): Promise<void> {
    if (!principal.groups.includes(this.group))
      return Promise.reject(new DomainError("not_a_reviewer", "only people of dba decide about this"));
    this.denied.push({ principal, id, comment });
    return Promise.resolve();
  }
}

/** The notifications of one control plane on a real database, with a clock that a test moves. */
export class NotificationsUnderTest {
  readonly approvals: FakeApprovals;
  readonly clock: HeldClock;

  private constructor(
    readonly platform: TestPlatform,
    readonly api: TestApi,
    parts: { approvals: FakeApprovals; clock: HeldClock },
  ) {
    this.approvals = parts.approvals;
    this.clock = parts.clock;
  }

  static async start(
    env: NodeJS.ProcessEnv = {},
    { real = false }: { readonly real?: boolean } = {},
  ): Promise<NotificationsUnderTest> {
    const platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0", ...env });
    const approvals = new FakeApprovals();
    const clock = new HeldClock();
    clock.at = new Date();
    const api = await startTestApi(platform, {
      imports: [NotificationsModule],
      instead: [...(real ? [] : [[NotifiedApprovals, approvals] as const]), [Clock, clock]],
    });
    api.tokens.add("root", "admin");
    api.tokens.add("olga", "operator");
    api.tokens.add("alice");
    return new NotificationsUnderTest(platform, api, { approvals, clock });
  }

  get<Part>(part: Type<Part>): Part {
    return this.api.app.get(part, { strict: false });
  }

  async clear(): Promise<void> {
    await this.settle();
    await this.platform.admin.query(
      "truncate live_event, notification_channel, notification_delivery, seen_principal",
    );
    this.approvals.known.clear();
    this.approvals.denied.length = 0;
  }

  async request(as: string, method: string, path: string, body?: unknown) {
    const response = await this.api.fetch(as, `/api/v1/${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }

  async apply(channel: Partial<ApplyNotificationChannel> & { kind: string; [key: string]: unknown }) {
    const document = { name: "ops", events: ["*"], ...channel };
    const { status, body } = await this.request(
      "root",
      "PUT",
      `notification-channels/${document.name}`,
      document,
    );
    if (status !== 200) throw new Error(`the channel was refused: ${JSON.stringify(body)}`);
    return body;
  }

  async happens(event: Partial<NewEvent> = {}): Promise<void> {
    await this.get(EventLog).append(undefined, {
      kind: "lock.set",
      subject: "lock-1",
      data: {},
      audience: { permission: "lock:read" },
      ...event,
    });
  }

  /** What is due by now is sent, with no help of the queue. */
  async settle(): Promise<void> {
    await this.get(NotificationSweep).look();
    await this.get(NotificationSender).settled();
  }

  async deliveries(query = ""): Promise<NotificationDeliveryView[]> {
    const { body } = await this.request("olga", "GET", `notification-deliveries${query}`);
    return body["items"] as NotificationDeliveryView[];
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.platform.stop();
  }
}
