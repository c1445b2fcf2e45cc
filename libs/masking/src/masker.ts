import { Budget } from "./budget.js";
import { applyEdits, type Edit } from "./edits.js";
import type { MaskedCounts } from "./masked-counts.js";
import { DEFAULT_LIMITS, type Kind, type MaskingProfile } from "./profile.js";
import { Scan } from "./scan.js";
import { openMaskStream, type MaskStream } from "./stream/mask-stream.js";
import { UnmaskableError } from "./unmaskable.js";

export interface Masker {
  /**
   * Masks one JSON-RPC message, given as UTF-8 JSON. Only what is masked changes; nothing masked gives the same
   * instance back. Throws `UnmaskableError`, and nothing else, when the message must not be passed on.
   */
  readonly maskMessage: (payload: Uint8Array) => { payload: Uint8Array; masked: MaskedCounts };
  /** Masks plain text, such as a line of standard error. Throws like `maskMessage`. */
  readonly maskText: (text: string) => { text: string; masked: MaskedCounts };
  /** Masks one JSON-RPC message that comes in pieces and may be of any size. */
  readonly maskStream: () => MaskStream;
}

export function createMasker(profile: MaskingProfile = {}): Masker {
  const limits = { ...DEFAULT_LIMITS, ...profile };
  const except: ReadonlySet<Kind> = new Set(profile.except);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  const newScan = (): Scan =>
    new Scan({ budget: new Budget(limits.maxMillis), maxDepth: limits.maxDepth, except });

  const maskMessage = (payload: Uint8Array): { payload: Uint8Array; masked: MaskedCounts } => {
    if (payload.length > limits.maxBytes) throw new UnmaskableError("too_large");
    const text = decode(decoder, payload);
    const scan = newScan();
    const edits = scan.json(text, 0);
    if (!edits) throw new UnmaskableError("invalid_json");
    if (edits.length === 0) return { payload, masked: {} };
    return { payload: ENCODER.encode(applyEdits(text, edits)), masked: countKinds(edits) };
  };

  const maskText = (text: string): { text: string; masked: MaskedCounts } => {
    if (text.length > limits.maxBytes) throw new UnmaskableError("too_large");
    const edits = newScan().value(text, 0);
    return edits.length === 0
      ? { text, masked: {} }
      : { text: applyEdits(text, edits), masked: countKinds(edits) };
  };

  const whole = failClosed(maskMessage);
  const maskStream = (): MaskStream =>
    openMaskStream({
      limits: { maxDepth: limits.maxDepth, except },
      maxMillis: limits.maxMillis,
      maskMessage: whole,
    });
  return { maskMessage: whole, maskText: failClosed(maskText), maskStream };
}

const ENCODER = new TextEncoder();

function decode(decoder: TextDecoder, payload: Uint8Array): string {
  try {
    return decoder.decode(payload);
  } catch {
    throw new UnmaskableError("invalid_utf8");
  }
}

function countKinds(edits: readonly Edit[]): MaskedCounts {
  const counts: MaskedCounts = {};
  for (const { kind } of edits) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Turns every surprise, a stack overflow included, into the one error that callers fail closed on. */
function failClosed<Input, Output>(mask: (input: Input) => Output): (input: Input) => Output {
  return (input) => {
    try {
      return mask(input);
    } catch (error) {
      throw error instanceof UnmaskableError ? error : new UnmaskableError("internal");
    }
  };
}
