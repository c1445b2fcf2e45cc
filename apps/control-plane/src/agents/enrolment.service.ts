import { createHash, randomBytes, randomUUIDv7 } from "node:crypto";
import { Injectable, Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import type { JoinRequest, JoinResponse } from "@drawbridge/protocol";
import { AuditLog } from "../audit/index.js";
import { Clock } from "../platform/clock.js";
import { Database, isUniqueViolation } from "../platform/database.js";
import { AgentsRepository } from "./agents.repository.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { readCertificateRequest } from "./certificates.js";
import { type JoinToken, JoinTokensRepository } from "./join-tokens.repository.js";
import { RefusedCall } from "./refused-call.js";
import { TokenBuckets } from "./token-buckets.js";

const SEALING_KEY_BYTES = 32;
const MAX_TOKEN_LENGTH = 512;
const ATTEMPTS = { perSecond: 1, burst: 5, keys: 10_000 };

type ConsumedToken = Pick<JoinToken, "id" | "group" | "agentName">;

/** Trades a join token for an agent's first certificate. */
@Injectable()
export class EnrolmentService {
  private readonly logger = new Logger("agents");
  private readonly attempts = new TokenBuckets(ATTEMPTS);

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly authority: CertificateAuthority,
    private readonly audit: AuditLog,
  ) {}

  /** @throws RefusedCall */
  async join(request: JoinRequest, address: string): Promise<JoinResponse> {
    if (!this.attempts.take(networkOf(address))) {
      throw new RefusedCall(
        status.RESOURCE_EXHAUSTED,
        "too many attempts from this address; wait a few seconds",
      );
    }
    // Whatever else is wrong with the request, the token is used up: nobody can try things out with it.
    const token = await this.consume(request.token);
    const publicKey = await readCertificateRequest(request.certificateSigningRequest);
    if (!publicKey) {
      throw new RefusedCall(
        status.INVALID_ARGUMENT,
        "the certificate request must be a signed PKCS #10 with a P-256 or Ed25519 key",
      );
    }
    if (request.sealingPublicKey.length !== SEALING_KEY_BYTES) {
      throw new RefusedCall(
        status.INVALID_ARGUMENT,
        "the sealing key must be an X25519 public key of 32 bytes",
      );
    }
    const id = randomUUIDv7();
    const certificate = await this.authority.issueForAgent(id, publicKey);
    const name = await this.store(token, {
      id,
      serial: certificate.serial,
      certificateEndsAt: certificate.notAfter,
      sealingPublicKey: request.sealingPublicKey,
      version: request.agentVersion.slice(0, 64),
    });
    this.logger.log("an agent joined", { agent: id, name, group: token.group, address });
    return {
      agentId: id,
      agentName: name,
      agentGroup: token.group,
      certificateChain: certificate.chain,
      caBundle: await this.authority.bundle(),
    };
  }

  private async consume(token: string): Promise<ConsumedToken> {
    const tokens = new JoinTokensRepository(this.database.prisma);
    const hash = hashJoinToken(token);
    const consumed =
      token.length > MAX_TOKEN_LENGTH ? undefined : await tokens.consume(hash, this.clock.now());
    if (consumed) return consumed;
    await this.recordRefusal(await tokens.findByHash(hash));
    throw new RefusedCall(
      status.UNAUTHENTICATED,
      "the join token is unknown, used, revoked or expired; make another",
    );
  }

  /** A token that exists and is shown again may be a stolen one. Guesses are not worth a record. */
  private async recordRefusal(token: JoinToken | undefined): Promise<void> {
    if (!token) return;
    this.logger.warn("a join token was shown that is not valid any more", { token: token.id });
    await this.audit.record(undefined, {
      actor: "system",
      action: "join_token.refused",
      subject: token.id,
      details: { group: token.group, used: token.consumedAt !== null, revoked: token.revokedAt !== null },
    });
  }

  private async store(
    token: ConsumedToken,
    agent: {
      id: string;
      serial: string;
      certificateEndsAt: Date;
      sealingPublicKey: Uint8Array;
      version: string;
    },
  ): Promise<string> {
    const name = token.agentName ?? madeUpName(token.group);
    try {
      await this.database.transaction(async (transaction) => {
        const agents = new AgentsRepository(transaction);
        await agents.releaseName(name);
        await agents.insert({ ...agent, name, group: token.group, joinedAt: this.clock.now() });
        await new JoinTokensRepository(transaction).setAgent(token.id, agent.id);
        await this.audit.record(transaction, {
          actor: `agent:${agent.id}`,
          action: "agent.joined",
          subject: agent.id,
          details: { name, group: token.group, token: token.id, serial: agent.serial },
        });
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new RefusedCall(
        status.ALREADY_EXISTS,
        `an agent named ${name} has joined already; remove it first or make a token for another name`,
      );
    }
    return name;
  }
}

/** What is kept of a join token. It has 256 random bits, so that a plain hash gives nothing away. */
export function hashJoinToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function madeUpName(group: string): string {
  return `${group.slice(0, 52)}-${randomBytes(5).toString("hex")}`;
}

/** Whoever has one IPv6 address has its /64. */
function networkOf(address: string): string {
  const bare = address.replace(/^::ffff:/, "");
  return bare.includes(":") ? bare.split(":").slice(0, 4).join(":") : bare;
}
