import { Anchors, type AnchorVisitor } from "./anchors.js";
import type { Budget } from "./budget.js";
import { Runs } from "./characters.js";
import { cards } from "./detectors/cards.js";
import type { DigitDetector, Finding, HeadDetector } from "./detectors/detector.js";
import { emails } from "./detectors/emails.js";
import { ibans } from "./detectors/ibans.js";
import { infixTokens } from "./detectors/infix-tokens.js";
import { jwts } from "./detectors/jwts.js";
import { namedValues } from "./detectors/named-values.js";
import { passwordHashes } from "./detectors/password-hashes.js";
import { privateKeys } from "./detectors/private-keys.js";
import { schemes } from "./detectors/schemes.js";
import { ssns } from "./detectors/ssns.js";
import { findInTables } from "./detectors/tables.js";
import { tokens } from "./detectors/tokens.js";
import { urlPasswords } from "./detectors/url-passwords.js";

const HEAD_DETECTORS: readonly HeadDetector[] = [
  ...tokens,
  infixTokens,
  jwts,
  privateKeys,
  urlPasswords,
  passwordHashes,
  schemes,
  namedValues,
  emails,
];
const TWO_DIGITS: readonly DigitDetector[] = [ibans];
const THREE_DIGITS: readonly DigitDetector[] = [cards, ssns];

/** Which detectors look at each head; several may share one. */
const DETECTORS_OF_HEAD = new Map<string, number[]>();
for (const [index, detector] of HEAD_DETECTORS.entries()) {
  for (const head of detector.heads) {
    DETECTORS_OF_HEAD.set(head, [...(DETECTORS_OF_HEAD.get(head) ?? []), index]);
  }
}
const BY_HEAD = [...DETECTORS_OF_HEAD.values()];
const ANCHORS = new Anchors([...DETECTORS_OF_HEAD.keys()]);

/** No shorter text can hold anything a detector finds. */
const SHORTEST = 4;

/**
 * Everything the detectors find in plain text, unordered and possibly overlapping: one pass, linear time. Kept and used
 * again, because most strings are short and most of them hold nothing.
 */
export class TextScanner implements AnchorVisitor {
  readonly #covered = new Map<number, number>();
  #findings: Finding[] = [];
  #text = "";
  #runs: Runs | undefined;
  #budget: Budget | undefined;
  #work = 0;
  #sawName = false;

  scan(text: string, budget: Budget): readonly Finding[] {
    const { findings, sawName } = this.scanWithoutTables(text, budget);
    // Only a text that names something sensitive and has a second line can hold a table with a secret column.
    return sawName && text.includes("\n") ? findings.concat(findInTables(text)) : findings;
  }

  scanWithoutTables(text: string, budget: Budget): { findings: readonly Finding[]; sawName: boolean } {
    if (text.length < SHORTEST) return NOTHING_SEEN;
    if (this.#text !== "") this.#forget();
    this.#text = text;
    this.#budget = budget;
    ANCHORS.scan(text, this);
    const sawName = this.#sawName;
    const findings = this.#findings;
    this.#forget();
    return findings.length === 0 && !sawName ? NOTHING_SEEN : { findings, sawName };
  }

  /** Also before a scan when the last one was broken off: nothing of one text may be used on another. */
  #forget(): void {
    if (this.#findings.length > 0) this.#findings = [];
    if (this.#runs) this.#covered.clear();
    this.#runs = undefined;
    this.#sawName = false;
    this.#text = "";
  }

  onHead(head: number, start: number): void {
    this.#countWork();
    this.#runs ??= new Runs(this.#text);
    for (const index of BY_HEAD[head] ?? []) {
      this.#sawName ||= HEAD_DETECTORS[index] === namedValues;
      if (start < (this.#covered.get(index) ?? 0)) continue;
      const finding = HEAD_DETECTORS[index]?.find(this.#runs, start);
      if (!finding) continue;
      this.#findings.push(finding);
      this.#covered.set(index, finding.end);
    }
  }

  onDigits(count: 2 | 3, start: number): void {
    this.#countWork();
    for (const detector of count === 2 ? TWO_DIGITS : THREE_DIGITS) {
      const finding = detector.find(this.#text, start);
      if (finding) this.#findings.push(finding);
    }
  }

  #countWork(): void {
    if ((++this.#work & 0xfff) === 0) this.#budget?.check();
  }
}

const NOTHING_SEEN: { readonly findings: readonly Finding[]; readonly sawName: boolean } = {
  findings: [],
  sawName: false,
};
