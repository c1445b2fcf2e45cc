import { eventually } from "@drawbridge/testing";
import { LegTimes } from "../holding/leg-times.js";
import { GatewayUnderTest, PATIENT } from "./gateway-under-test.js";
import { ENGINEERS_READ, withRule } from "./policies.js";

/** "destroy" needs somebody of dba, which is bob. */
export const ASKS = withRule(
  ENGINEERS_READ,
  "{ name: asking, tools: [destroy], effect: require_approval, approval: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }",
);

export interface ApprovalRow {
  readonly id: string;
  readonly state: string;
  readonly sealed: Buffer | null;
  readonly exchange: string;
  readonly session_id: string;
  readonly end_reason: string | null;
}

/** What tests do about held calls at a gateway. */
export class HeldGateway {
  constructor(readonly gateway: GatewayUnderTest) {}

  /** Legs of milliseconds, until they are set to something else. */
  hurry(times: Partial<LegTimes> = {}): void {
    Object.assign(this.gateway.get(LegTimes), new LegTimes(), times);
  }

  /** The newest approval, once there are `count` of them. */
  async approval(count = 1): Promise<ApprovalRow> {
    return eventually(
      async () => {
        const found = await this.approvals();
        const newest = found.at(-1);
        if (!newest || found.length !== count)
          throw new Error(`there are ${found.length} approvals, not ${count}`);
        return newest;
      },
      { timeoutMs: PATIENT.timeout },
    );
  }

  approvals(): Promise<ApprovalRow[]> {
    return this.gateway.query<ApprovalRow>(
      "select id, state, sealed, exchange, session_id, end_reason from approval order by id",
    );
  }

  async state(id: string): Promise<string | undefined> {
    return (await this.approvals()).find((row) => row.id === id)?.state;
  }

  async decide(id: string, verdict: "approve" | "deny", body: object = {}): Promise<void> {
    const { status, body: said } = await this.gateway.api("POST", `approvals/${id}/${verdict}`, body, "bob");
    if (status !== 200) throw new Error(`to ${verdict} answered ${status} ${JSON.stringify(said)}`);
  }

  approve(id: string, body: object = {}): Promise<void> {
    return this.decide(id, "approve", body);
  }

  /** The next test begins with none. */
  async forget(): Promise<void> {
    await this.gateway.query("delete from approval");
    await this.gateway.query("delete from access_grant");
  }

  /** The events of an exchange, each as its kind and what was decided. */
  async events(sessionId: string, exchange: number): Promise<string[]> {
    const { body } = await this.gateway.api("GET", `recordings/${sessionId}/events?limit=200`);
    const items = body["items"] as RecordedItem[];
    return items
      .filter((item) => item.exchange === exchange)
      .map(({ kind, attributes }) => [kind, attributes.decision?.effect].filter(Boolean).join(" "));
  }
}

interface RecordedItem {
  readonly kind: string;
  readonly exchange: number;
  readonly attributes: { readonly decision?: { readonly effect?: string } };
}
