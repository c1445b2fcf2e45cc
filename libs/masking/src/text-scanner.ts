import { Anchors } from "./anchors.js";
import type { Budget } from "./budget.js";
import { Runs } from "./characters.js";
import { cards } from "./detectors/cards.js";
import type { DigitDetector, Finding, HeadDetector } from "./detectors/detector.js";
import { emails } from "./detectors/emails.js";
import { ibans } from "./detectors/ibans.js";
import { jwts } from "./detectors/jwts.js";
import { namedValues } from "./detectors/named-values.js";
import { passwordHashes } from "./detectors/password-hashes.js";
import { privateKeys } from "./detectors/private-keys.js";
import { schemes } from "./detectors/schemes.js";
import { ssns } from "./detectors/ssns.js";
import { tokens } from "./detectors/tokens.js";
import { urlPasswords } from "./detectors/url-passwords.js";

const HEAD_DETECTORS: readonly HeadDetector[] = [
  ...tokens,
  jwts,
  privateKeys,
  urlPasswords,
  passwordHashes,
  schemes,
  namedValues,
  emails,
];
const DIGIT_DETECTORS: readonly DigitDetector[] = [cards, ssns, ibans];

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

/** Everything the detectors find in plain text, unordered and possibly overlapping. One pass, linear time. */
export function scanText(text: string, budget: Budget): Finding[] {
  if (text.length < SHORTEST) return [];
  const findings: Finding[] = [];
  const runs = new Runs(text);
  const covered = new Map<number, number>();
  let work = 0;
  ANCHORS.scan(text, {
    onHead(head, start) {
      if ((++work & 0xfff) === 0) budget.check();
      for (const index of BY_HEAD[head] ?? []) {
        if (start < (covered.get(index) ?? 0)) continue;
        const finding = HEAD_DETECTORS[index]?.find(runs, start);
        if (!finding) continue;
        findings.push(finding);
        covered.set(index, finding.end);
      }
    },
    onDigits(count, start) {
      for (const detector of DIGIT_DETECTORS) {
        const finding = detector.digits === count ? detector.find(text, start) : undefined;
        if (finding) findings.push(finding);
      }
    },
  });
  return findings;
}
