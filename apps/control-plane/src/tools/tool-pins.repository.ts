import { Injectable } from "@nestjs/common";
import type { ToolPin as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import type { PinChange } from "./observed-tools.js";
import { AcceptedDefinition, LivePin, type PinDigests } from "./pin.js";

type LivePins = ReadonlyMap<string, ReadonlyMap<string, LivePin>>;

/** All pins as they were read once. */
export interface PinsRead {
  readonly pins: LivePins;
  /** Another one after any change. */
  readonly rowVersions: string;
}

/** A pin with all that is known of it, but for the definitions. */
export interface StoredPin extends PinDigests {
  readonly acceptedAt: Date | undefined;
  readonly acceptedBy: string | undefined;
  readonly firstSeenAt: Date;
}

/** Masked JSON; empty where it was too large to be kept. */
interface StoredDefinitions {
  readonly acceptedDefinition: Uint8Array | undefined;
  readonly shownDefinition: Uint8Array;
}

export type WholePin = StoredPin & StoredDefinitions;

/** What somebody accepts. */
export interface Acceptance {
  readonly name: string;
  readonly digest: string;
  readonly definition: Uint8Array;
  readonly flags: readonly string[];
  readonly by: string;
  readonly at: Date;
  /** Stays where it is the one that is shown. */
  readonly shownSince: Date;
}

interface DigestsRow {
  readonly name: string;
  readonly accepted: string | null;
  readonly shown: string;
  readonly shown_since: Date;
  readonly flags: string[];
}

interface LiveRow extends DigestsRow {
  readonly target_id: string;
  /** Null where it has been read before, or nothing is accepted. */
  readonly definition: Uint8Array | null;
}

const WITHOUT_DEFINITIONS = { acceptedDefinition: true, shownDefinition: true } as const;

@Injectable()
export class ToolPinsRepository {
  constructor(private readonly database: Database) {}

  /** All pins, `before` itself if none has changed: what decisions are made from is read again after any change of it. */
  async all(transaction: Transaction, before: PinsRead | undefined): Promise<PinsRead> {
    const rowVersions = await this.rowVersions(transaction);
    if (before?.rowVersions === rowVersions) return before;
    return { pins: await this.read(transaction, before?.pins ?? new Map()), rowVersions };
  }

  /** Every row that is written has a newer transaction than any it replaces. */
  private async rowVersions(transaction: Transaction): Promise<string> {
    const [found] = await transaction.$queryRaw<{ versions: string }[]>`
      SELECT count(*) || ' ' || coalesce(sum(xmin::text::numeric), 0) AS versions FROM tool_pin`;
    return found?.versions ?? "";
  }

  /** Of the definitions those that are not among `before` yet: they are most of it, and seldom new. */
  private async read(transaction: Transaction, before: LivePins): Promise<LivePins> {
    const known = [...before].flatMap(([targetId, pins]) =>
      [...pins.values()].map(({ name, accepted }) => ({ targetId, name, accepted })),
    );
    const rows = await transaction.$queryRaw<LiveRow[]>`
      SELECT pin.target_id::text, pin.name, encode(pin.accepted_digest, 'hex') AS accepted,
        encode(pin.shown_digest, 'hex') AS shown, pin.shown_since, pin.flags,
        CASE WHEN known.name IS NULL THEN pin.accepted_definition END AS definition
      FROM tool_pin pin
      LEFT JOIN unnest(
        ${known.map(({ targetId }) => targetId)}::uuid[],
        ${known.map(({ name }) => name)}::text[],
        ${known.map(({ accepted }) => accepted ?? "")}::text[]
      ) AS known (target_id, name, digest)
        ON known.target_id = pin.target_id AND known.name = pin.name
        AND known.digest = encode(pin.accepted_digest, 'hex')`;
    const all = new Map<string, Map<string, LivePin>>();
    for (const row of rows) {
      const pins = all.get(row.target_id) ?? new Map<string, LivePin>();
      pins.set(row.name, livePin(row, before.get(row.target_id)?.get(row.name)));
      all.set(row.target_id, pins);
    }
    return all;
  }

  async list(targetId: string, after: string | undefined, count: number): Promise<StoredPin[]> {
    const rows = await this.database.prisma.toolPin.findMany({
      where: { targetId, ...(after === undefined ? {} : { name: { gt: after } }) },
      omit: WITHOUT_DEFINITIONS,
      orderBy: { name: "asc" },
      take: count,
    });
    return rows.map(toPin);
  }

  async find(
    targetId: string,
    name: string,
    transaction: Transaction = this.database.prisma,
  ): Promise<WholePin | undefined> {
    const row = await transaction.toolPin.findUnique({ where: { targetId_name: { targetId, name } } });
    if (!row) return undefined;
    const { acceptedDefinition, shownDefinition } = row;
    return { ...toPin(row), acceptedDefinition: acceptedDefinition ?? undefined, shownDefinition };
  }

  /** Until the end of the transaction the target stays, and nobody else changes its pins. False: it is gone. */
  async lock(transaction: Transaction, targetId: string): Promise<boolean> {
    const rows = await transaction.$queryRaw<object[]>`
      SELECT 1 FROM target WHERE id = ${targetId}::uuid FOR NO KEY UPDATE`;
    return rows.length > 0;
  }

  async digests(transaction: Transaction, targetId: string): Promise<ReadonlyMap<string, PinDigests>> {
    const rows = await transaction.$queryRaw<DigestsRow[]>`
      SELECT name, encode(accepted_digest, 'hex') AS accepted, encode(shown_digest, 'hex') AS shown,
        shown_since, flags
      FROM tool_pin WHERE target_id = ${targetId}::uuid`;
    return new Map(rows.map((row) => [row.name, toDigests(row)]));
  }

  /** One statement for those of either kind: each moves the authorization epoch once. */
  async write(
    transaction: Transaction,
    targetId: string,
    { changes, at }: { readonly changes: readonly PinChange[]; readonly at: Date },
  ): Promise<void> {
    const firsts = changes.filter(({ acceptedAtFirst }) => acceptedAtFirst !== undefined);
    if (firsts.length > 0)
      await transaction.toolPin.createMany({ data: firsts.map((change) => firstRow(targetId, change, at)) });
    const changed = changes.filter(({ acceptedAtFirst }) => acceptedAtFirst === undefined);
    if (changed.length > 0) await this.writeShown(transaction, targetId, { changed, at });
  }

  async accept(
    transaction: Transaction,
    targetId: string,
    { name, digest, definition, flags, by, at, shownSince }: Acceptance,
  ): Promise<void> {
    const [digestBytes, definitionBytes] = [fromHex(digest), new Uint8Array(definition)];
    await transaction.toolPin.update({
      where: { targetId_name: { targetId, name } },
      data: {
        acceptedDigest: digestBytes,
        acceptedDefinition: definitionBytes,
        acceptedAt: at,
        acceptedBy: by,
        shownDigest: digestBytes,
        shownDefinition: definitionBytes,
        shownSince,
        flags: [...flags],
      },
    });
  }

  private async writeShown(
    transaction: Transaction,
    targetId: string,
    { changed, at }: { readonly changed: readonly PinChange[]; readonly at: Date },
  ): Promise<void> {
    await transaction.$executeRaw`
      UPDATE tool_pin pin SET shown_digest = decode(new.digest, 'hex'),
        shown_definition = decode(new.definition, 'base64'),
        flags = string_to_array(new.flags, ','), shown_since = ${at}
      FROM unnest(
        ${changed.map(({ name }) => name)}::text[],
        ${changed.map(({ digest }) => digest)}::text[],
        ${changed.map(({ definition }) => Buffer.from(definition).toString("base64"))}::text[],
        ${changed.map(({ flags }) => flags.join(","))}::text[]
      ) AS new (name, digest, definition, flags)
      WHERE pin.target_id = ${targetId}::uuid AND pin.name = new.name`;
  }
}

function firstRow(targetId: string, change: PinChange, at: Date) {
  const { name, flags, acceptedAtFirst } = change;
  const [digest, definition] = [fromHex(change.digest), new Uint8Array(change.definition)];
  const accepted = { acceptedDigest: digest, acceptedDefinition: definition, acceptedAt: at };
  return {
    targetId,
    name,
    shownDigest: digest,
    shownDefinition: definition,
    shownSince: at,
    firstSeenAt: at,
    flags: [...flags],
    ...(acceptedAtFirst === true ? accepted : {}),
  };
}

function livePin(row: LiveRow, before: LivePin | undefined): LivePin {
  const digests = toDigests(row);
  const { name, accepted } = digests;
  if (accepted === undefined) return new LivePin(digests, undefined);
  const definition = row.definition ?? new Uint8Array();
  return new LivePin(
    digests,
    before?.acceptedAs(accepted) ?? new AcceptedDefinition(accepted, name, definition),
  );
}

function toDigests({ name, accepted, shown, shown_since, flags }: DigestsRow): PinDigests {
  return { name, accepted: accepted ?? undefined, shown, shownSince: shown_since, flags };
}

function toPin(row: Omit<Row, keyof typeof WITHOUT_DEFINITIONS>): StoredPin {
  const { name, acceptedDigest, shownDigest, shownSince, flags, acceptedAt, acceptedBy, firstSeenAt } = row;
  return {
    name,
    accepted: acceptedDigest ? toHex(acceptedDigest) : undefined,
    shown: toHex(shownDigest),
    shownSince,
    flags,
    acceptedAt: acceptedAt ?? undefined,
    acceptedBy: acceptedBy ?? undefined,
    firstSeenAt,
  };
}

function toHex(digest: Uint8Array): string {
  return Buffer.from(digest).toString("hex");
}

function fromHex(digest: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(digest, "hex"));
}
