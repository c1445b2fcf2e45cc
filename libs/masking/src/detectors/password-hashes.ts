import { ALNUM, characters, isIn } from "../characters.js";
import type { HeadDetector } from "./detector.js";

/** Heads of the forms of crypt(5), PHC strings and LDAP (RFC 3112), with the least that must follow. */
const SHAPES: readonly { readonly head: string; readonly min: number }[] = [
  { head: "$2a$", min: 50 },
  { head: "$2b$", min: 50 },
  { head: "$2x$", min: 50 },
  { head: "$2y$", min: 50 },
  { head: "$argon2", min: 30 },
  { head: "$scrypt$", min: 30 },
  { head: "$pbkdf2", min: 30 },
  { head: "$6$", min: 40 },
  { head: "$5$", min: 40 },
  { head: "$1$", min: 22 },
  { head: "$apr1$", min: 22 },
  { head: "$y$", min: 40 },
  { head: "$gy$", min: 40 },
  { head: "$7$", min: 40 },
  { head: "$sha1$", min: 22 },
  { head: "$P$", min: 28 },
  { head: "$S$", min: 40 },
  { head: "{SSHA}", min: 20 },
  { head: "{SSHA256}", min: 40 },
  { head: "{SSHA512}", min: 60 },
  { head: "pbkdf2_sha256$", min: 30 },
  { head: "pbkdf2_sha1$", min: 30 },
  { head: "pbkdf2:sha256:", min: 30 },
  { head: "scrypt:", min: 60 },
  { head: "bcrypt_sha256$", min: 50 },
  { head: "SCRAM-SHA-256$", min: 60 },
];

const BODY = characters("0-9", "A-Z", "a-z", "./$=,+_:-");
const BY_HEAD = SHAPES.map(({ head, min }) => ({ head, lower: head.toLowerCase(), min }));

/** Hashes of passwords, which can be guessed offline. */
export const passwordHashes: HeadDetector = {
  heads: BY_HEAD.map(({ lower }) => lower),
  find(runs, at) {
    const { text } = runs;
    const shape = BY_HEAD.find(({ head }) => text.startsWith(head, at));
    if (!shape || isIn(ALNUM, text, at - 1)) return undefined;
    const end = runs.end(BODY, at + shape.head.length);
    return end - at - shape.head.length < shape.min ? undefined : { start: at, end, kind: "password-hash" };
  },
};
