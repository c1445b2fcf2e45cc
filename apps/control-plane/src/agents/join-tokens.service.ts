import { randomBytes } from "node:crypto";
import { Inject, Injectable } from "@nestjs/common";
import type {
  CreateJoinToken,
  JoinTokenCreated,
  JoinTokenView,
  Page,
  PageQuery,
} from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import { CONFIG, type Config, type HostPort } from "../config.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { AgentsRepository } from "./agents.repository.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { hashJoinToken } from "./enrolment.service.js";
import { type JoinToken, JoinTokensRepository } from "./join-tokens.repository.js";

const TOKEN_BYTES = 32;
const STATE_DIRECTORY = "./drawbridge-agent";
// What the agent may run there; its operator writes it.
const AGENT_CONFIG = "./agent.yaml";

@Injectable()
export class JoinTokensService {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly audit: AuditLog,
    private readonly authority: CertificateAuthority,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The answer holds the token, and nothing else ever does: only its hash is kept. */
  async create(principal: Principal, request: CreateJoinToken): Promise<JoinTokenCreated> {
    const secret = `drawbridge-join-v1.${randomBytes(TOKEN_BYTES).toString("base64url")}`;
    const fingerprint = await this.authority.fingerprint();
    const stored = await this.store(principal, request, hashJoinToken(secret));
    const token = `${secret}.${fingerprint}`;
    const controlPlane = formatAddress(this.config.agentAddress);
    return {
      id: stored.id,
      group: stored.group,
      token,
      controlPlane,
      command:
        `drawbridge-agent join --control-plane ${controlPlane} --token ${token} --state ${STATE_DIRECTORY}` +
        ` && drawbridge-agent run --state ${STATE_DIRECTORY} --config ${AGENT_CONFIG}`,
      expiresAt: stored.expiresAt.toISOString(),
    };
  }

  async list({ limit, cursor }: PageQuery): Promise<Page<JoinTokenView>> {
    const tokens = new JoinTokensRepository(this.database.prisma);
    const rows = await tokens.list(readCursor(cursor, UUID), limit + 1);
    return pageFrom(rows, limit, { key: ({ id }) => id, view: (token) => this.view(token) });
  }

  /** Revoking a token that was used or revoked before changes nothing. */
  async revoke(principal: Principal, id: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const tokens = new JoinTokensRepository(transaction);
      const token = await tokens.find(id);
      if (!token) throw new DomainError("join_token_not_found", `there is no join token ${id}`);
      if (!(await tokens.revoke(id, this.clock.now()))) return;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "join_token.revoked",
        subject: id,
        details: { group: token.group },
      });
    });
  }

  private store(principal: Principal, request: CreateJoinToken, tokenHash: Buffer): Promise<JoinToken> {
    const { group, name, expiresInSeconds } = request;
    const createdAt = this.clock.now();
    const expiresAt = new Date(createdAt.getTime() + expiresInSeconds * 1_000);
    return this.database.transaction(async (transaction) => {
      if (name !== undefined && (await new AgentsRepository(transaction).isNameTaken(name))) {
        throw new DomainError(
          "agent_name_taken",
          `an agent named ${name} exists; remove it first or choose another name`,
        );
      }
      const stored = await new JoinTokensRepository(transaction).insert({
        tokenHash,
        group,
        agentName: name ?? null,
        createdBy: principal.id,
        createdAt,
        expiresAt,
      });
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "join_token.created",
        subject: stored.id,
        details: { group, ...(name === undefined ? {} : { name }), expiresAt: expiresAt.toISOString() },
      });
      return stored;
    });
  }

  private view(token: JoinToken): JoinTokenView {
    return {
      id: token.id,
      group: token.group,
      name: token.agentName,
      state: this.stateOf(token),
      createdBy: token.createdBy,
      createdAt: token.createdAt.toISOString(),
      expiresAt: token.expiresAt.toISOString(),
    };
  }

  private stateOf({ consumedAt, revokedAt, expiresAt }: JoinToken): JoinTokenView["state"] {
    if (consumedAt) return "used";
    if (revokedAt) return "revoked";
    return expiresAt > this.clock.now() ? "unused" : "expired";
  }
}

function formatAddress({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
