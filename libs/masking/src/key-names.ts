import { startsWithPlaceholder, type Kind } from "./profile.js";

/** What a name promises about its value. */
export interface SensitiveName {
  readonly kind: Kind;
  /** Numbers under this name are secrets too. */
  readonly numbers: boolean;
}

/** Last words of a name that say its value is a secret. */
const WORDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...[
    "password",
    "passwords",
    "passwd",
    "passwort",
    "pwd",
    "pass",
    "passphrase",
    "passcode",
    "cpassword",
    "pw",
    "userpassword",
    "dbpassword",
    "pgpassword",
    "sshpass",
    "pgpass",
    "requirepass",
    "masterauth",
    "dbpass",
    "dbpasswd",
    "dbpwd",
    "rootpassword",
    "mysqlpwd",
    "motdepasse",
    "contrasena",
    "senha",
  ].map((word) => [word, "password"] as const),
  ...[
    "secret",

    "credential",
    "credentials",
    "creds",
    "psk",
    "apikey",
    "apikeys",
    "appkey",
    "authkey",
    "privatekey",
    "secretkey",
    "accesskey",
    "sharedkey",
    "accountkey",
    "masterkey",
    "signingkey",
    "encryptionkey",
    "sharedaccesskey",
    "clientsecret",
    "connectionstring",
    "connstring",
    "signature",
    "sig",
    "otp",
    "totp",
    "seed",
    "mnemonic",
    "hmac",
    "webhooksecret",
    "sharedaccesssignature",
  ].map((word) => [word, "secret"] as const),
  ...[
    "token",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "apitoken",
    "idtoken",
    "sessiontoken",
    "bearertoken",
    "usertoken",
    "auth",
    "authorization",
    "bearer",
    "jwt",
    "pat",
    "authtok",
  ].map((word) => [word, "token"] as const),
  ...["cookie", "cookies", "setcookie", "sessionid", "sessid", "jsessionid", "phpsessid", "sid"].map(
    (word) => [word, "cookie"] as const,
  ),
  ...["cvv", "cvc", "cvv2", "cvc2", "csc"].map((word) => [word, "cvv"] as const),
  ["pin", "pin"],
  ["pincode", "pin"],
  ...["ssn", "socialsecuritynumber"].map((word) => [word, "ssn"] as const),
  ["iban", "iban"],
  ...["cardnumber", "creditcard", "ccnumber", "pan", "ccnum", "cardno"].map(
    (word) => [word, "card"] as const,
  ),
]);

/** Last two (or three) words that say so together, where the last alone does not. */
const PHRASES: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...[
    "api key",
    "api keys",
    "app key",
    "application key",
    "auth key",
    "private key",
    "secret key",
    "access key",
    "shared key",
    "account key",
    "master key",
    "signing key",
    "encryption key",
    "service key",
    "storage key",
    "server key",
    "license key",
    "deploy key",
    "rsa key",
    "ssh key",
    "admin key",
    "consumer key",
    "subscription key",
    "integration key",
    "write key",
    "ingest key",
    "connection string",
    "connection uri",
    "conn string",
    "conn str",
    "key base",
    "webhook url",
    "secret value",
    "secret string",
    "secret id",
    "private pem",
    "recovery code",
    "backup code",
    "crypt key",
    "jwt key",
    "host key",
    "tls key",
    "ssl key",
    "account sid secret",
  ].map((phrase) => [phrase, "secret"] as const),
  ...["password value", "password plaintext", "initial password", "pass word", "pass phrase", "root pw"].map(
    (phrase) => [phrase, "password"] as const,
  ),
  ...[
    "password hash",
    "password digest",
    "passwd hash",
    "pwd hash",
    "hashed password",
    "pass hash",
    "password salt",
  ].map((phrase) => [phrase, "password-hash"] as const),
  ...["token value", "token secret", "bearer token", "token key"].map((phrase) => [phrase, "token"] as const),
  ...["session id", "session key", "session cookie", "set cookie"].map(
    (phrase) => [phrase, "cookie"] as const,
  ),
  ...["card number", "card no", "cc number", "credit card", "card num", "account pan"].map(
    (phrase) => [phrase, "card"] as const,
  ),
  ...["security code", "card code"].map((phrase) => [phrase, "cvv"] as const),
  ["pin code", "pin"],
  ["social security", "ssn"],
  ["security number", "ssn"],
]);

/** Names that end like a secret's and are none: positions in lists, counters, parts of model vocabularies. */
const HARMLESS_BEFORE_TOKEN = new Set([
  "public",
  "page",
  "next",
  "prev",
  "previous",
  "continuation",
  "continue",
  "progress",
  "sync",
  "cursor",
  "cancel",
  "cancellation",
  "bos",
  "eos",
  "pad",
  "unk",
  "sep",
  "cls",
  "mask",
  "stop",
  "csrf",
  "xsrf",
  "csrfmiddleware",
  "max",
  "min",
  "n",
  "num",
  "per",
  "special",
  "start",
  "end",
  "delta",
  "resume",
  "skip",
  "change",
  "upload",
]);
const HARMLESS_BEFORE_OTHERS = new Set([
  "public",
  "no",
  "has",
  "is",
  "needs",
  "require",
  "requires",
  "show",
  "hide",
  "allow",
  "enable",
  "disable",
  "without",
  "use",
  "with",
  "forgot",
  "reset",
  "change",
  "function",
  "method",
  "type",
  "test",
  "first",
  "second",
  "boarding",
]);

/** What names are written with. A placeholder is none, nor is `password=x`. */
const NAME = /^[\w .:/$-]+$/;
const ASCII = /^[\x20-\x7e]*$/;

/** Longest name looked at; secrets are not called by longer ones. */
const MAX_NAME = 128;

/** Tells what a member's name, a variable, a header or a column says about its value. */
export function sensitiveName(name: string): SensitiveName | undefined {
  if (name.length < 2 || name.length > MAX_NAME) return undefined;
  const known = remembered.get(name);
  if (known !== undefined) return known ?? undefined;
  const plain = ASCII.test(name) ? name : name.normalize("NFD").replaceAll(/\p{M}/gu, "");
  const kind = NAME.test(plain) ? kindOf(wordsOf(plain)) : undefined;
  const result = kind && { kind, numbers: NUMERIC.has(kind) };
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(name, result ?? null);
  return result;
}

const NUMERIC: ReadonlySet<Kind> = new Set(["cvv", "pin", "card", "ssn"]);

/** The same few names come a thousand times in one result; names are not secrets. */
const remembered = new Map<string, SensitiveName | null>();
const MAX_REMEMBERED = 4096;

function kindOf(words: readonly string[]): Kind | undefined {
  const last = words.at(-1);
  if (last === undefined) return undefined;
  const before = words.at(-2);
  const phrase = before === undefined ? undefined : PHRASES.get(`${before} ${last}`);
  if (phrase) return HARMLESS_BEFORE_OTHERS.has(words.at(-3) ?? "") ? undefined : phrase;
  const kind = WORDS.get(last);
  if (!kind || before === undefined) return kind;
  const harmless = kind === "token" ? HARMLESS_BEFORE_TOKEN : HARMLESS_BEFORE_OTHERS;
  return harmless.has(before) ? undefined : kind;
}

/** `dbPassword2` and `DB_PASSWORD` are both db, password. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .map((word) => (WORDS.has(word) ? word : word.replace(/[0-9]+$/, "")))
    .filter((word) => word !== "");
}

const NOT_VALUES = new Set([
  "null",
  "none",
  "nil",
  "undefined",
  "true",
  "false",
  "yes",
  "no",
  "on",
  "off",
  "string",
  "str",
  "number",
  "integer",
  "int",
  "boolean",
  "bool",
  "bytes",
  "text",
  "varchar",
  "char",
  "object",
  "array",
  "any",
  "required",
  "optional",
  "n/a",
  "na",
  "todo",
  "tbd",
  "changeme?",
  "-",
  "--",
  "?",
  "empty",
  "redacted",
  "hidden",
  "masked",
  "password",
  "secret",
  "token",
  "basic",
  "bearer",
  "oauth",
  "oauth2",
  "default",
  "unset",
  "set",
  "missing",
  "invalid",
  "expired",
  "valid",
  "ok",
  "failed",
]);
const REFERENCES =
  /^(?:\$\{[^{}]*\}|\$\{\{|\$\([^()]*\)|\{\{|\{%|<%|<[a-z_ -]+>$|%[A-Z_]+%$|\$[A-Z_]+$|process\.env|os\.environ|os\.getenv|env\(|ENV\[|secrets\.|vault:|op:\/\/|arn:aws:|ref\+|@Microsoft\.KeyVault|\*+$|•+$|x{4,}$|X{4,}$|\.{3}$)/;

/** Empty, a reference to a secret kept elsewhere, a word that says there is none, or masked already. */
export function isNoSecret(value: string): boolean {
  const trimmed = value.length > 200 ? value : value.trim();
  if (trimmed === "" || startsWithPlaceholder(trimmed)) return true;
  return trimmed.length <= 200 && (NOT_VALUES.has(trimmed.toLowerCase()) || REFERENCES.test(trimmed));
}
