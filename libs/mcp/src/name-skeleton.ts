import { seenAs } from "./confusables.js";

const SEPARATORS = /[-_.\s/:‐-―]+/gu;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
/** A human cannot tell these apart in many fonts. */
const ONE_STROKE = /[1|!i]/g;

/**
 * The same for names that people take for each other: two tools whose names have one skeleton collide. For comparing
 * only; it is no name. What makes no difference:
 * - compatibility forms (ｒｅａｄ), invisible characters, blanks around it, letters of other scripts that look like Latin ones;
 * - case: Read_File and read_file are two tools to a server and one to who reads an approval;
 * - which separators stand between words, and how many: models' APIs take few characters in names, so clients write
 *   files.read and files-read as files_read, and then one tool shadows the other;
 * - i, l, 1 and |; o and 0; rn and m; vv and w.
 * That mail and mall collide too is the price: it asks somebody to look, and two such names in one server are rare.
 */
export function nameSkeleton(name: string): string {
  const plain = Array.from(name.normalize("NFKC").replace(INVISIBLE, "").trim(), seenAs).join("");
  // Folding may make a letter that looks like another one: ſ, the capitals of small capitals.
  return Array.from(plain.toLowerCase(), seenAs)
    .join("")
    .normalize("NFKC")
    .replace(SEPARATORS, "_")
    .replace(ONE_STROKE, "l")
    .replaceAll("0", "o")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w");
}
