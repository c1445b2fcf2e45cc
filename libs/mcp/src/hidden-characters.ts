/** Scripts whose letters take another form beside a joiner or a non-joiner: Arabic's, Indic ones and their kin. */
const JOINING = anyOf(`
  Arabic Syriac Mandaic Nko Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala
  Khmer Myanmar Tibetan Balinese
`);
/** Scripts that put no blanks between words. */
const UNSPACED = anyOf("Thai Lao Khmer Myanmar Tibetan Javanese Balinese");
/** Besides what Unicode calls so: blanks that count as symbols, and the place of an object that a text cannot hold. */
const UNSEEN = String.raw`\p{C}\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\uFFFC`;

/** Where a script or an emoji needs what is not seen. Never two in a row: that is how bytes are smuggled. */
const NEEDED = [
  // Alone, a return has a terminal write over what stands there.
  String.raw`[\t\n]|\r(?=\r?\n)`,
  // These stand before digits and are seen.
  String.raw`[\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\u{110BD}\u{110CD}]`,
  String.raw`(?<=${JOINING})[\u200C\u200D](?![${UNSEEN}])`,
  // A Persian ending of a Latin word.
  String.raw`(?<=[\p{Script=Latin}\p{Nd}])\u200C(?=${JOINING})`,
  String.raw`(?<=${UNSPACED})\u200B(?=${UNSPACED})`,
  String.raw`(?<=[\u1820-\u18AA])[\u180B-\u180F]`,
  // Emoji: text or picture, keycaps, families, and such as a later Unicode may add.
  String.raw`(?<=\p{Emoji})(?<![0-9#*])[\uFE0E\uFE0F]`,
  String.raw`(?<=[0-9#*])\uFE0F(?=\u20E3)`,
  String.raw`(?<=[\p{Extended_Pictographic}\uFE0F\u{1F3FB}-\u{1F3FF}])\u200D(?=\p{Extended_Pictographic})`,
  String.raw`(?=\p{Extended_Pictographic})\p{Cn}`,
  // Variants of Chinese characters.
  String.raw`(?<=\p{Script=Han})[\uFE00-\uFE02\u{E0100}-\u{E01EF}]`,
];

const HIDDEN = new RegExp(`(?!${NEEDED.join("|")})[${UNSEEN}]`, "u");
/** No word needs one after each of its letters: these are bits. */
const ONE_TO_A_LETTER = new RegExp(
  String.raw`(?:\p{L}\p{M}*[\u180B-\u180F\u200B-\u200D\uFE00-\uFE02\u{E0100}-\u{E01EF}]){4}`,
  "u",
);

const BLACK_FLAG = "\u{1F3F4}";
/** The flags that are spelled in tags, of which there are three. */
const SPELLED_FLAGS = ["gbeng", "gbsct", "gbwls"].map((region) => `${BLACK_FLAG}${tags(region)}\u{E007F}`);

/**
 * Whether a text has what a model reads and a human does not see: controls (ANSI escapes begin with one), format
 * characters, bidirectional controls, blanks without width, fillers, tags, variation selectors that vary nothing, and
 * code points that mean nothing (private or unassigned). A joiner within a Persian word or a family of emoji is none.
 */
export function hasHiddenCharacter(text: string): boolean {
  const left = text.includes(BLACK_FLAG)
    ? SPELLED_FLAGS.reduce((rest, flag) => rest.replaceAll(flag, BLACK_FLAG), text)
    : text;
  return HIDDEN.test(left) || ONE_TO_A_LETTER.test(left);
}

function anyOf(scripts: string): string {
  const classes = scripts
    .trim()
    .split(/\s+/)
    .map((script) => String.raw`\p{Script_Extensions=${script}}`);
  return `[${classes.join("")}]`;
}

function tags(text: string): string {
  return Array.from(text, (character) =>
    String.fromCodePoint(0xe0000 + (character.codePointAt(0) ?? 0)),
  ).join("");
}
