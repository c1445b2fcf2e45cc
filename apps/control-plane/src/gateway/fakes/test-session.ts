import { GatewaySession, type SessionIdentity } from "../sessions/gateway-session.js";

export function testSession(differences: Partial<SessionIdentity> = {}): GatewaySession {
  const identity = {
    id: "s",
    principal: "alice",
    oauthClient: "c",
    target: "shop",
    targetId: "01900000-0000-7000-8000-00000000000a",
    targetRevision: 1,
    era: "legacy",
    openedAt: new Date(),
  } as const;
  return new GatewaySession({ ...identity, ...differences });
}
