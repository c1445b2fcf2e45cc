import { Budget } from "./budget.js";
import { addEditsOfMasked, applyEdits, mergeEdits, type Edit } from "./edits.js";
import { scanJson } from "./json-scanner.js";
import { CollectingMaskStream, type MaskStream } from "./mask-stream.js";
import { DEFAULT_LIMITS, type Kind, type MaskingProfile } from "./profile.js";
import { MESSAGE_ROOT } from "./protocol-fields.js";
import { TextScanner } from "./text-scanner.js";
import { UnmaskableError } from "./unmaskable.js";

/** How often each kind was masked. */
export type MaskedCounts = Record<string, number>;

export interface Masker {
  /**
   * Masks one JSON-RPC message, given as UTF-8 JSON. Only what is masked changes; nothing masked gives the same
   * instance back. Throws `UnmaskableError`, and nothing else, when the message must not be passed on.
   */
  readonly maskMessage: (payload: Uint8Array) => { payload: Uint8Array; masked: MaskedCounts };
  /** Masks plain text, such as a line of standard error. Throws like `maskMessage`. */
  readonly maskText: (text: string) => { text: string; masked: MaskedCounts };
  /** Masks one JSON-RPC message that comes in pieces. */
  readonly maskStream: () => MaskStream;
}

/** JSON in strings of JSON is followed so deep; what is nested deeper cannot be vouched for. */
const MAX_NESTED_DOCUMENTS = 4;
/** Masking can uncover more (a token that a word stood before); each round only grows what is masked. */
const MAX_ROUNDS = 4;

/** Kinds that identify people and not rights; addresses keep them. */
const PERSONAL: ReadonlySet<Kind> = new Set(["email", "card", "iban", "ssn"]);

export function createMasker(profile: MaskingProfile = {}): Masker {
  const limits = { ...DEFAULT_LIMITS, ...profile };
  const except: ReadonlySet<Kind> = new Set(profile.except);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  const maskMessage = (payload: Uint8Array): { payload: Uint8Array; masked: MaskedCounts } => {
    if (payload.length > limits.maxBytes) throw new UnmaskableError("too_large");
    const text = decode(decoder, payload);
    const scan = new Scan(limits, except);
    const edits = scan.json(text, 0);
    if (!edits) throw new UnmaskableError("invalid_json");
    if (edits.length === 0) return { payload, masked: {} };
    return { payload: ENCODER.encode(applyEdits(text, edits)), masked: countKinds(edits) };
  };

  const maskText = (text: string): { text: string; masked: MaskedCounts } => {
    if (text.length > limits.maxBytes) throw new UnmaskableError("too_large");
    const edits = new Scan(limits, except).value(text, 0);
    return edits.length === 0
      ? { text, masked: {} }
      : { text: applyEdits(text, edits), masked: countKinds(edits) };
  };

  const whole = failClosed(maskMessage);
  const maskStream = (): MaskStream => new CollectingMaskStream(limits.maxBytes, whole);
  return { maskMessage: whole, maskText: failClosed(maskText), maskStream };
}

/** The scan of one message. */
class Scan {
  readonly #budget: Budget;
  readonly #maxDepth: number;
  readonly #except: ReadonlySet<Kind>;

  constructor(
    limits: typeof DEFAULT_LIMITS | Required<Omit<MaskingProfile, "except">>,
    except: ReadonlySet<Kind>,
  ) {
    this.#budget = new Budget(limits.maxMillis);
    this.#maxDepth = limits.maxDepth;
    this.#except = except;
  }

  /** A JSON document; `nesting` says in how many strings of JSON it stands. */
  json(text: string, nesting: number): Edit[] | undefined {
    return scanJson(text, {
      budget: this.#budget,
      maxDepth: this.#maxDepth,
      except: this.#except,
      root: nesting === 0 ? MESSAGE_ROOT : undefined,
      scanValue: (value, field) => {
        const found = this.value(value, nesting);
        return field === "address" ? found.filter(({ kind }) => !PERSONAL.has(kind)) : found;
      },
    });
  }

  /** The value of a string: a JSON document of its own, or text. Edits are merged. */
  value(text: string, nesting: number): readonly Edit[] {
    const ofDocument = this.#document(text, nesting);
    if (ofDocument) return ofDocument;
    const edits = this.#plain(text);
    const [first] = edits;
    const isAllMasked = edits.length === 1 && first?.start === 0 && first.end === text.length;
    return edits.length === 0 || isAllMasked ? edits : this.#untilStable(text, { edits, nesting });
  }

  #document(text: string, nesting: number): Edit[] | undefined {
    if (!looksLikeDocument(text)) return undefined;
    const edits = this.json(text, nesting + 1);
    if (edits && nesting >= MAX_NESTED_DOCUMENTS) throw new UnmaskableError("too_deep");
    return edits;
  }

  #plain(text: string): readonly Edit[] {
    const found = TEXT_SCANNER.scan(text, this.#budget);
    return found.length === 0 ? NOTHING : mergeEdits(found.filter(({ kind }) => !this.#except.has(kind)));
  }

  /**
   * Masking twice must equal masking once, so look again at what masking makes of the text. A document needs no second
   * look: its strings had theirs, and a masked name or number is none that says anything about another.
   */
  #untilStable(text: string, first: { edits: readonly Edit[]; nesting: number }): readonly Edit[] {
    let edits = first.edits;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.#budget.check();
      const masked = applyEdits(text, edits);
      const found = this.#document(masked, first.nesting) ?? this.#plain(masked);
      if (found.length === 0) return edits;
      edits = addEditsOfMasked(edits, found);
    }
    return [{ start: 0, end: text.length, kind: "secret" }];
  }
}

const NOTHING: readonly Edit[] = [];
const ENCODER = new TextEncoder();
/** Holds state only while it scans one text, which nothing interrupts. */
const TEXT_SCANNER = new TextScanner();

/** Whether the first character that is not white space opens an object or an array. */
function looksLikeDocument(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue;
    return code === 0x7b || code === 0x5b;
  }
  return false;
}

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
