import { Inject, Injectable } from "@nestjs/common";
import { CONFIG, type Config } from "../../config.js";

// What a piece of a body costs beside its bytes: of the smallest there may be millions.
const COST_OF_PIECE = 256;

/**
 * The bodies of requests that this process holds, of all connections together: from their first piece until nobody
 * needs them, which for a request to a target is its answer. One principal may hold half of what all may.
 */
@Injectable()
export class HeldBodies {
  private readonly limit: number;
  private held = 0;
  private readonly byPrincipal = new Map<string, number>();

  constructor(@Inject(CONFIG) { maxHeldBytes }: Pick<Config, "maxHeldBytes">) {
    this.limit = maxHeldBytes;
  }

  /** One that is about to come in. */
  of(principal: string): HeldBody {
    return new HeldBody((bytes) => this.take(principal, bytes));
  }

  private take(principal: string, bytes: number): boolean {
    const theirs = (this.byPrincipal.get(principal) ?? 0) + bytes;
    if (bytes > 0 && (this.held + bytes > this.limit || theirs > this.limit / 2)) return false;
    this.held += bytes;
    if (theirs > 0) this.byPrincipal.set(principal, theirs);
    else this.byPrincipal.delete(principal);
    return true;
  }
}

/** One body. It counts as long as anybody holds it. */
export class HeldBody {
  private bytes = 0;
  private readonly holders = new Set<object>();

  /** `take` says whether there is room; a negative number gives room back. */
  constructor(private readonly take: (bytes: number) => boolean) {}

  /** One more piece. False when there is no room for it. */
  add(piece: Uint8Array): boolean {
    const cost = piece.length + COST_OF_PIECE;
    if (!this.take(cost)) return false;
    this.bytes += cost;
    return true;
  }

  /** All of it is there, in one piece. */
  joined(bytes: number): void {
    this.take(bytes - this.bytes);
    this.bytes = bytes;
  }

  hold(holder: object): void {
    this.holders.add(holder);
  }

  letGo(holder: object): void {
    if (!this.holders.delete(holder) || this.holders.size > 0) return;
    this.take(-this.bytes);
    this.bytes = 0;
  }
}
