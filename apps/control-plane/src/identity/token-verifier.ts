import { hash } from "node:crypto";
import { Inject, Injectable, Logger } from "@nestjs/common";
import type { Role } from "@drawbridge/contracts";
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import type { Principal } from "./principal.js";

export type Door = "mcp" | "api";
export type TokenProblem = "missing" | "invalid" | "expired" | "wrong_audience" | "unavailable";

/** Why a token is refused. The message is for the caller and never repeats the token. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly problem: TokenProblem;

  constructor(problem: TokenProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

// Asymmetric only: with a shared secret, whoever verifies could also sign.
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_TOKEN_LENGTH = 16_384;
const CACHE_SIZE = 10_000;
/** A key that the issuer withdraws verifies nothing, and nothing it verified is remembered, after this long. */
const KEYS_TRUSTED_MS = 5 * 60_000;
const DISCOVERY_TIMEOUT_MS = 5_000;

interface IssuerKeys {
  readonly readAt: number;
  readonly get: Promise<JWTVerifyGetKey>;
}

interface Verified {
  readonly principal: Principal;
  readonly until: number;
}

/**
 * Verifies bearer tokens (RFC 9068, RFC 8725): signature by the issuer's published keys, issuer, expiry, and that the
 * token is for this door and not for the other one too.
 */
@Injectable()
export class TokenVerifier {
  private readonly logger = new Logger("identity");
  // By SHA-256 of the token: its content cannot change, so until it expires or the keys that verified it are read again,
  // its verification need not be repeated.
  private readonly verified = new Map<string, Verified>();
  private keys: IssuerKeys | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** @throws TokenError */
  async verify(authorization: string | undefined, door: Door): Promise<Principal> {
    const token = bearerToken(authorization);
    const cacheKey = door + hash("sha256", token, "base64");
    const known = this.verified.get(cacheKey);
    if (known && known.until > this.clock.now().getTime()) return known.principal;
    this.verified.delete(cacheKey);
    const keys = this.issuerKeys();
    const principal = this.toPrincipal(await this.check(token, door, keys));
    const until = Math.min(principal.expiresAt.getTime(), keys.readAt + KEYS_TRUSTED_MS);
    this.remember(cacheKey, { principal, until });
    return principal;
  }

  private async check(token: string, door: Door, keys: IssuerKeys): Promise<JWTPayload> {
    const { issuer, mcpAudience, apiAudience } = this.config.oidc;
    const [audience, other] = door === "mcp" ? [mcpAudience, apiAudience] : [apiAudience, mcpAudience];
    try {
      const { payload } = await jwtVerify(token, await keys.get, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ["sub", "exp"],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: this.clock.now(),
      });
      if ([payload.aud].flat().includes(other)) {
        throw new TokenError(
          "wrong_audience",
          "the token is for the MCP endpoint and the API at once; ask for one for each",
        );
      }
      return payload;
    } catch (error) {
      throw this.toTokenError(error, audience);
    }
  }

  private toTokenError(error: unknown, audience: string): TokenError {
    if (error instanceof TokenError) return error;
    if (error instanceof errors.JWTExpired)
      return new TokenError("expired", "the token has expired; sign in again");
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === "aud") {
      return new TokenError("wrong_audience", `the token is not for ${audience}`);
    }
    if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) {
      this.keys = undefined;
      this.logger.error(
        "the identity provider's keys cannot be read",
        error instanceof Error ? error.message : undefined,
      );
      return new TokenError("unavailable", "the identity provider does not answer; try again in a moment");
    }
    return new TokenError("invalid", "the token is not valid here; sign in again");
  }

  private issuerKeys(): IssuerKeys {
    const now = this.clock.now().getTime();
    if (!this.keys || this.keys.readAt + KEYS_TRUSTED_MS <= now) {
      this.keys = { readAt: now, get: discoverKeys(this.config.oidc.issuer) };
    }
    return this.keys;
  }

  private toPrincipal(claims: JWTPayload): Principal {
    const expiresAt = new Date((claims.exp ?? 0) * 1000);
    const id = text(claims.sub);
    if (id === undefined || Number.isNaN(expiresAt.getTime()))
      throw new TokenError("invalid", "the token names nobody, or no date at which it expires");
    const groups = textList(claims[this.config.oidc.groupsClaim]);
    const authTime = claims["auth_time"];
    const email = claims["email_verified"] === true ? text(claims["email"]) : undefined;
    const client = text(claims["client_id"]) ?? text(claims["azp"]) ?? "unknown";
    return Object.freeze({
      id,
      email,
      groups,
      identities: identitiesOf({ id, email }, claims, this.config.oidc),
      isMachine: isMachine(claims, { id, client }),
      client,
      roles: this.rolesOf(groups),
      expiresAt,
      signedInAt: dateOf(authTime),
    });
  }

  private rolesOf(groups: readonly string[]): Role[] {
    const granted = Object.entries(this.config.groupsOf).filter(([, names]) =>
      names.some((name) => groups.includes(name)),
    );
    return ["user", ...granted.map(([role]) => role as Role)];
  }

  private remember(cacheKey: string, verified: Verified): void {
    if (this.verified.size >= CACHE_SIZE) {
      const [oldest] = this.verified.keys();
      if (oldest !== undefined) this.verified.delete(oldest);
    }
    this.verified.set(cacheKey, verified);
  }
}

/**
 * RFC 9068 section 2.2: without a resource owner the subject is the client. RFC 8693 section 4.1: act is who acts for the
 * subject. The rest is how issuers say it that have accounts for programs: Auth0, Entra ID, Okta, Keycloak.
 */
function isMachine(claims: JWTPayload, { id, client }: Pick<Principal, "id" | "client">): boolean {
  return (
    id === client ||
    claims["act"] !== undefined ||
    claims["gty"] === "client-credentials" ||
    claims["idtyp"] === "app" ||
    claims["cid"] === id ||
    claims["preferred_username"] === `service-account-${client.toLowerCase()}`
  );
}

const MAX_ACTORS = 8;

/**
 * The subject, and all for whom it acts (RFC 8693 section 4.1) or who own it. Where one must not decide about oneself it
 * is safe to take two for the same, and not to take one for two: so names of people are compared without regard to case,
 * form and type, and an address with a tag is that without it, too.
 */
function identitiesOf(
  { id, email }: Pick<Principal, "id" | "email">,
  claims: JWTPayload,
  { personClaim, ownerClaim }: Config["oidc"],
): string[] {
  const owners = names(claims[ownerClaim]);
  const known = [
    `sub:${id}`,
    ...emailIdentities(email),
    ...names(claims[personClaim]).map((person) => `person:${folded(person)}`),
    ...owners.flatMap((owner) => [`sub:${owner}`, ...(owner.includes("@") ? emailIdentities(owner) : [])]),
    ...actorsOf(claims).map((actor) => `sub:${actor}`),
  ];
  return [...new Set(known)];
}

function actorsOf(claims: JWTPayload): string[] {
  const actors: string[] = [];
  let actor = claims["act"] as { sub?: unknown; act?: unknown } | undefined;
  for (let depth = 0; typeof actor === "object" && actor !== null; depth += 1) {
    // Whoever is left out could decide about what they asked for.
    if (depth === MAX_ACTORS)
      throw new TokenError("invalid", `the token acts through more than ${MAX_ACTORS} others`);
    actors.push(...names(actor.sub));
    actor = actor.act as typeof actor;
  }
  return actors;
}

function emailIdentities(email: string | undefined): string[] {
  if (email === undefined) return [];
  const address = folded(email);
  const untagged = address.replace(/\+[^@]*(?=@[^@]*$)/, "");
  return [`email:${address}`, `email:${untagged}`];
}

function folded(name: string): string {
  return name.normalize("NFKC").trim().toUpperCase().toLowerCase().normalize("NFKC");
}

/** RFC 6750 section 2.1. */
function bearerToken(authorization: string | undefined): string {
  const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? "") ?? [];
  if (!authorization) throw new TokenError("missing", "a bearer token is needed");
  if (!token || token.length > MAX_TOKEN_LENGTH)
    throw new TokenError("invalid", "the Authorization header holds no bearer token");
  return token;
}

/** OpenID Connect Discovery 1.0 section 4. */
async function discoverKeys(issuer: string): Promise<JWTVerifyGetKey> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (metadata.issuer !== issuer) throw new Error(`${url} names another issuer than OIDC_ISSUER`);
  if (typeof metadata.jwks_uri !== "string") throw new Error(`${url} has no jwks_uri`);
  return createRemoteJWKSet(new URL(metadata.jwks_uri), {
    timeoutDuration: DISCOVERY_TIMEOUT_MS,
    cooldownDuration: 10_000,
  });
}

// No control characters and no halves of characters: they belong to no name, and the database keeps neither.
const TEXT = /^[^\p{Cc}\p{Cs}]+$/u;
const text = (value: unknown) => (typeof value === "string" && TEXT.test(value) ? value : undefined);
const textList = (value: unknown) =>
  [value].flat().filter((item): item is string => text(item) !== undefined);
/** One or more, also those that are numbers. */
const names = (value: unknown) =>
  [value].flat().flatMap((item) => text(typeof item === "number" ? String(item) : item) ?? []);

/** Of a NumericDate (RFC 7519 section 2). */
function dateOf(seconds: unknown): Date | undefined {
  const date = new Date(typeof seconds === "number" ? seconds * 1000 : Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
