import { type JsonRpcId, notificationMessage } from "@drawbridge/mcp";
import {
  changedLists,
  type ChangingList,
  LIST_CHANGES,
  listsAnnouncedBy,
  type LiveChange,
} from "../decisions/changed-lists.js";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import { messageOf } from "../replies/replay.js";
import { listsListenedTo } from "../decisions/listen-filter.js";
import { maySeeSession } from "../decisions/locked.js";
import type { LiveSnapshot } from "../decisions/live-state.js";
import {
  type Exchange,
  type GatewaySession,
  type HeldExchange,
  isSubscription,
  type Listener,
} from "../sessions/gateway-session.js";
import type { ClientStreams } from "./client-streams.js";
import type { ExchangeEndings } from "./exchange-endings.js";
import { mayGoOn } from "./still-allowed.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

// A legacy session begins with initialize.
const FIRST_EXCHANGE = 1;

/** What follows for what is open in a session when policies, targets, pinned tools, grants or locks have changed. */
export class ChangedAccess {
  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "reader" | "recorder">,
    private readonly streams: ClientStreams,
    private readonly endings: ExchangeEndings,
  ) {}

  async apply(change: LiveChange): Promise<void> {
    if (this.session.ended) return;
    this.session.changedAt = change.live.epoch;
    this.endStreamOfStranger(change.live);
    await Promise.all([...this.session.inFlight].map((exchange) => this.endIfDenied(exchange, change.live)));
    await this.tellOfLists(change);
  }

  /** Who may not listen any more. */
  private endStreamOfStranger(live: LiveSnapshot): void {
    const { listener } = this.session;
    if (!listener?.stream.open) return;
    if (!maySeeSession(live, this.session, listener.context)) listener.stream.end();
  }

  private async endIfDenied(exchange: Exchange, live: LiveSnapshot): Promise<void> {
    // Until it is recorded, whoever decides it learns of the change: by the epoch, or from `changedAt`.
    if (!exchange.decided && !exchange.held) return;
    const decision = decideNow(live, exchange.question);
    if (exchange.held) {
      // Its rule may ask for more by now, or for less: that counts when it runs.
      if (isInVain(exchange.held, decision)) exchange.held.end({ why: "denied", decision });
      return;
    }
    if (mayGoOn(exchange, decision)) return;
    if (isSubscription(exchange) && exchange.sent)
      await this.endings.endSubscription(exchange, "access ended");
    else if (exchange.sent) await this.endings.revoke(exchange, decision);
    else exchange.revoked = true;
  }

  private async tellOfLists(change: LiveChange): Promise<void> {
    const { listener, listening } = this.session;
    if (listener?.stream.open) await this.tellListener(listener, change);
    for (const exchange of listening) await this.tellSubscriber(exchange, change);
  }

  private async tellListener({ context }: Listener, change: LiveChange): Promise<void> {
    const changed = changedLists(this.session.target, context, change);
    if (changed.length === 0) return;
    // Only what was negotiated may be used: for what the target has not declared its client does not listen.
    const announced = await this.announced();
    for (const list of changed) if (announced.has(list)) await this.tell(list, undefined);
  }

  /** At 2026-07-28 each client says itself what it wants to hear of. */
  private async tellSubscriber(exchange: Exchange, change: LiveChange): Promise<void> {
    const { context, message } = exchange.question;
    const changed = changedLists(this.session.target, context, change);
    if (changed.length === 0) return;
    const wanted = listsListenedTo(message);
    for (const list of changed) if (wanted.includes(list)) await this.tell(list, exchange);
  }

  /** Another process may have heard it. */
  private async announced(): Promise<ReadonlySet<ChangingList>> {
    const { session } = this;
    session.announcedLists ??= await this.recordedAnnouncement();
    return session.announcedLists;
  }

  private async recordedAnnouncement(): Promise<ReadonlySet<ChangingList>> {
    const opening = { exchange: FIRST_EXCHANGE, after: -1, direction: "target_to_client" } as const;
    for await (const { event } of this.dependencies.reader.events(this.session.id, opening)) {
      const message = messageOf(event);
      if (message?.kind === "response") return listsAnnouncedBy(message);
    }
    return new Set();
  }

  /** As the target would. */
  private async tell(list: ChangingList, on: Exchange | undefined): Promise<void> {
    const method = LIST_CHANGES[list];
    const payload = on ? ofSubscription(method, on.id) : notificationMessage(method);
    const recorded = await this.dependencies.recorder.tryToRecord(this.session, {
      kind: "notification",
      direction: "target_to_client",
      exchange: on?.number ?? 0,
      method,
      attributes: { from: "drawbridge" },
      payload,
    });
    if (recorded) await this.streams.tell(payload, on, recorded);
  }
}

/** Who waits for access is denied until it is given. */
function isInVain({ awaits }: HeldExchange, { effect, requestable }: GatewayDecision): boolean {
  return effect === "deny" && !(awaits === "access" && requestable);
}

function ofSubscription(method: string, { text: id }: JsonRpcId): Uint8Array {
  const meta = `"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}`;
  return Buffer.from(`{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":{${meta}}}`);
}
