import { Injectable } from "@nestjs/common";
import { z } from "zod";
import { Clock } from "../../platform/clock.js";
import { KeyEncryption } from "../../platform/key-encryption.js";

const PURPOSE = "slack-deny";
// Longer than any operation waits.
const VALID_MS = 7 * 86_400_000;
const MAX_LENGTH = 2_000;

const Value = z.object({ channel: z.uuid(), approval: z.uuid(), until: z.number() });

/** What a button of ours says when it is pressed: sealed, so that nobody can make one up. */
@Injectable()
export class DenyValues {
  constructor(
    private readonly keys: KeyEncryption,
    private readonly clock: Clock,
  ) {}

  make(of: { readonly channel: string; readonly approval: string }): string {
    const value = { ...of, until: this.clock.now().getTime() + VALID_MS };
    return this.keys.seal(PURPOSE, "", Buffer.from(JSON.stringify(value))).toString("base64url");
  }

  /** Undefined for what was not made here, or long ago. */
  read(text: string): { readonly channel: string; readonly approval: string } | undefined {
    if (text.length > MAX_LENGTH) return undefined;
    try {
      const plain = this.keys.open(PURPOSE, "", Buffer.from(text, "base64url")).toString("utf8");
      const { until, ...value } = Value.parse(JSON.parse(plain));
      return until > this.clock.now().getTime() ? value : undefined;
    } catch {
      return undefined;
    }
  }
}
