import type { GatewaySession } from "./gateway-session.js";

/**
 * The open sessions of this replica, by id and by what its requests are known by: of a legacy session the
 * Mcp-Session-Id, which is kept nowhere else, of a modern one who uses what.
 */
export class OpenSessions {
  private readonly byKey = new Map<string, GatewaySession>();
  private readonly keys = new Map<string, string>();

  add(session: GatewaySession, key: string): void {
    this.byKey.set(key, session);
    this.keys.set(session.id, key);
  }

  remove({ id }: GatewaySession): void {
    const key = this.keys.get(id) ?? "";
    if (this.byKey.get(key)?.id === id) this.byKey.delete(key);
    this.keys.delete(id);
  }

  withKey(key: string): GatewaySession | undefined {
    return this.byKey.get(key);
  }

  withId(id: string): GatewaySession | undefined {
    return this.byKey.get(this.keys.get(id) ?? "");
  }

  get all(): Iterable<GatewaySession> {
    return this.byKey.values();
  }
}
