import { describe, expect, test } from "vitest";

import { TOKEN_SHAPES } from "./detectors/tokens.js";
import { createMasker } from "./masker.js";

const masker = createMasker();
const mask = (text: string): string => masker.maskText(text).text;

/** Fixtures are put together here so that no scanner of this repository takes them for real ones. */
const of = (...parts: string[]): string => parts.join("");
const jwt = of(
  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
  ".eyJzdWIiOiIxMjM0NTY3ODkwIn0",
  ".c2lnbmF0dXJlLXNpZ25hdHVyZQ",
);
const pem = of("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA ", "PRIVATE KEY-----");

describe("cards", () => {
  test.each([
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "6011111111111117",
    "3530111333300000",
    "5555555555554444",
    "2223003122003222",
    "4222222222222",
  ])("%s is masked where it stands", (card) => {
    expect(mask(`paid ${card}, thanks`)).toBe("paid [REDACTED:card], thanks");
    expect(mask(card)).toBe("[REDACTED:card]");
    expect(mask(`${card} 123`)).not.toContain(card);
  });

  test.each([
    ["whose check digit is wrong", "4111111111111112"],
    ["of no issuer", "1111111111111117"],
    ["that is too long", "41111111111111111111111"],
    ["inside a word", "a4111111111111111"],
    ["in a longer word", "4111111111111111f"],
    ["with mixed separators", "4111-1111 1111-1111"],
    ["behind a decimal point", "0.4111111111111111"],
    ["a time in microseconds", "1767225600000000"],
  ])("a number %s is left: %s", (_, number) => {
    expect(mask(number)).toBe(number);
  });
});

describe("account and social security numbers", () => {
  test.each([
    ["DE89370400440532013000", "[REDACTED:iban]"],
    ["GB29 NWBK 6016 1331 9268 19", "[REDACTED:iban]"],
    ["DE89370400440532013001", "DE89370400440532013001"],
    ["XX89370400440532013000", "XX89370400440532013000"],
    ["DE893704004405320130001", "DE893704004405320130001"],
    ["536-90-4399", "[REDACTED:ssn]"],
    ["536 90 4399", "[REDACTED:ssn]"],
    ["000-90-4399", "000-90-4399"],
    ["666-90-4399", "666-90-4399"],
    ["936-90-4399", "936-90-4399"],
    ["536-00-4399", "536-00-4399"],
    ["536-90-0000", "536-90-0000"],
    ["536904399", "536904399"],
    ["1536-90-4399", "1536-90-4399"],
    ["536-90-4399-1", "536-90-4399-1"],
  ])("%s becomes %s", (text, expected) => {
    expect(mask(`(${text})`)).toBe(`(${expected})`);
  });
});

describe("e-mail addresses", () => {
  test.each(["ada@example.com", "ada.lovelace+x@mail.example.co.uk", "_a'b@xn--exmple-cua.com"])(
    "%s is masked",
    (address) => {
      expect(mask(`to <${address}>.`)).toBe("to <[REDACTED:email]>.");
    },
  );

  test.each([
    "git@github.com:org/repo.git",
    "lodash@4.17.21",
    "icon@2x.png",
    "@scope/package",
    "a@b",
    "user@localhost",
    "@media (x)",
  ])("%s is left", (text) => {
    expect(mask(text)).toBe(text);
  });
});

describe("tokens", () => {
  const alphabets = ["A1b2C3d4", "A1B2C3D4", "a1b2c3d4", "a1b2c3d4e5f6"];
  const shapes = TOKEN_SHAPES.map((shape) => {
    const filler =
      alphabets.find((candidate) =>
        Array.from(candidate).every((character) => shape.alphabet[character.charCodeAt(0)] === 1),
      ) ?? "";
    return { head: shape.head, kind: shape.kind ?? "token", body: filler.repeat(200).slice(0, shape.min) };
  });

  test("the table has many shapes, each with a page as its source, and no head twice", () => {
    expect(TOKEN_SHAPES.length).toBeGreaterThan(80);
    expect(TOKEN_SHAPES.filter(({ source }) => !source.startsWith("https://"))).toEqual([]);
    expect(new Set(TOKEN_SHAPES.map(({ head }) => head.toLowerCase())).size).toBe(TOKEN_SHAPES.length);
  });

  test.each(shapes)("$head… is masked", ({ head, kind, body }) => {
    expect(body).not.toBe("");
    expect(mask(`use ${head}${body} now`)).toBe(`use [REDACTED:${kind}] now`);
    expect(mask(`(${head}${body}).`)).toBe(`([REDACTED:${kind}]).`);
  });

  test.each(shapes)("$head alone, or with three characters, is left", ({ head, body }) => {
    for (const text of [head, `${head}${body.slice(0, 3)}`])
      expect(mask(`see ${text} x`)).toBe(`see ${text} x`);
  });

  test.each([
    ["a Telegram bot token", of("620578997", ":AA", "HN5vCDIN7fCuZKcC5dOP9ZORuyiM81Fi7")],
    ["a Microsoft Entra client secret", of("JOX5", "Q~", "FObPktmcfezQeXAz6DB64NZ5U2UTih2")],
  ])("%s is masked, although its distinctive part stands inside", (_, token) => {
    expect(mask(`using ${token} now`)).toBe("using [REDACTED:token] now");
  });
});

describe("JSON Web Tokens", () => {
  test.each([
    ["whole", jwt],
    ["cut off", jwt.slice(0, 60)],
    ["without a signature", of("eyJhbGciOiJub25lIn0", ".eyJzdWIiOiIxIn0.")],
  ])("are masked: %s", (_, token) => {
    expect(mask(`jwt ${token}`)).toMatch(/^jwt \[REDACTED:jwt\]\.?$/);
  });

  test.each(["eyJvZmZzZXQiOjEwfQ", "eyJvZmZzZXQiOjEwfQ.eyJhIjoxfQ.x", "eyJAAAA.eyJBBB"])(
    "what has no such header is left: %s",
    (text) => {
      expect(mask(text)).toBe(text);
    },
  );
});

describe("private keys", () => {
  test.each([
    ["as it is", pem],
    ["with escaped line ends", pem.replaceAll("\n", "\\n")],
    ["without its end", pem.slice(0, 40)],
    ["OpenSSH's", pem.replaceAll("RSA", "OPENSSH")],
    ["PGP's", of("-----BEGIN PGP ", "PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP ", "PRIVATE KEY BLOCK-----")],
    ["in base64", Buffer.from(pem).toString("base64")],
  ])("are masked: %s", (_, key) => {
    expect(mask(`before ${key}`)).toBe("before [REDACTED:private-key]");
  });

  test("certificates and public keys are left", () => {
    const text =
      "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----";
    expect(mask(text)).toBe(text);
    expect(mask(Buffer.from(text).toString("base64"))).toBe(Buffer.from(text).toString("base64"));
  });
});

describe("passwords in URLs", () => {
  test.each([
    ["postgres://app:hunter2@db:5432/shop", "postgres://app:[REDACTED:password]@db:5432/shop"],
    ["redis://:hunter2@cache", "redis://:[REDACTED:password]@cache"],
    ["mysql://app:p@ss@w0rd@db/x", "mysql://app:[REDACTED:password]@db/x"],
    ["https://host:8080/a@b", "https://host:8080/a@b"],
    ["https://host/path:with@sign", "https://host/path:with@sign"],
    ["https://user@host/", "https://user@host/"],
    ["postgres://app:${PASSWORD}@db", "postgres://app:${PASSWORD}@db"],
    ["https://url:8000 @something else", "https://url:8000 @something else"],
  ])("%s becomes %s", (text, expected) => {
    expect(mask(text)).toBe(expected);
  });
});

describe("hashes of passwords", () => {
  test.each([
    of("$2b$", "10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
    of("$argon2id$", "v=19$m=65536,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG"),
    of("$6$", "saltsalt$", "Ab1/".repeat(21)),
    of("scrypt:", "32768:8:1$salt$", "ab12".repeat(16)),
    of("SCRAM-SHA-256$", "4096:c2FsdHNhbHQ=$", "Ab1+".repeat(11), ":", "Ab1+".repeat(11)),
  ])("%s is masked", (hash) => {
    expect(mask(`hash ${hash}`)).toBe("hash [REDACTED:password-hash]");
  });

  test.each(["$1 and $2a$", "$6$short", "$5$ off"])("%s is left", (text) => {
    expect(mask(text)).toBe(text);
  });
});

describe("named values", () => {
  test.each([
    ["password=hunter2", "password=[REDACTED:password]"],
    ["DB_PASSWORD=hunter", "DB_PASSWORD=[REDACTED:password]"],
    ["export API_KEY='a b c'", "export API_KEY='[REDACTED:secret]'"],
    ['{"password": "x y", "a": 1} and more', '{"password": "[REDACTED:password]", "a": 1} and more'],
    ['msg: {\\"token\\": \\"abc\\"}', 'msg: {\\"token\\": \\"[REDACTED:token]\\"}'],
    ["password: hunter2, user: ada", "password: [REDACTED:password], user: ada"],
    ["?user=ada&api_key=abc123&x=1", "?user=ada&api_key=[REDACTED:secret]&x=1"],
    ["deploy --webhook-secret s3cret1 --verbose", "deploy --webhook-secret [REDACTED:secret] --verbose"],
    ["deploy --password=s3cret1 -v", "deploy --password=[REDACTED:password] -v"],
    ["<password>hunter2</password>", "<password>[REDACTED:password]</password>"],
    ["Authorization: Bearer abc123", "Authorization: Bearer [REDACTED:token]"],
    ["authorization: Basic YTpi", "authorization: Basic [REDACTED:token]"],
    ["Cookie: a=1; b=2\nHost: x", "Cookie: [REDACTED:cookie]\nHost: x"],
    ["your password is s3cret1 for now", "your password is [REDACTED:password] for now"],
    ['setProperty("API_TOKEN", "abc1")', 'setProperty("API_TOKEN", "[REDACTED:token]")'],
    ["cvv: 123", "cvv: [REDACTED:cvv]"],
  ])("%s becomes %s", (text, expected) => {
    expect(mask(text)).toBe(expected);
  });

  test.each([
    "function login(password: string): Promise<string> {}",
    "const token = getToken(request);",
    "token = req.headers.token",
    "password: required",
    "password=${DB_PASSWORD}",
    "password = os.environ['PASSWORD']",
    "the password is required",
    "max_tokens=4096",
    "next_page_token=abc123",
    "if (token == null) return",
    "password=password",
    "vault kv get -field=password secret/db",
    "author: Ada1815",
  ])("%s is left", (text) => {
    expect(mask(text)).toBe(text);
  });
});

describe("tables in text", () => {
  test.each([
    ["id,user,password\n1,ada,hunter2\n2,bob,\n", "id,user,password\n1,ada,[REDACTED:password]\n2,bob,\n"],
    ['"id";"pwd"\r\n"1";"a;b"\r\n', '"id";"pwd"\r\n"1";"[REDACTED:password]"\r\n'],
    [
      "| id | token |\n|---|---|\n| 1 | abc |\n\nDone | x",
      "| id | token |\n|---|---|\n| 1 | [REDACTED:token] |\n\nDone | x",
    ],
    [
      " id | password \n----+----------\n  1 | x y\n(1 row)",
      " id | password \n----+----------\n  1 | [REDACTED:password]\n(1 row)",
    ],
  ])("%j becomes %j", (text, expected) => {
    expect(mask(text)).toBe(expected);
  });

  test.each([
    "id,name\n1,ada",
    "Set the password, then the token\nabc, def",
    "| key | value |\n|---|---|\n| a | b |",
  ])("%j is left", (text) => {
    expect(mask(text)).toBe(text);
  });
});

test("a table of a hundred thousand rows is masked, not too much for the masker", () => {
  expect(mask(`id,password\n${"1,hunter2\n".repeat(100_000)}`)).not.toContain("hunter2");
});

describe("hostile text", () => {
  const pieces = [
    "a",
    "1",
    "4111 ",
    "123-45-",
    "eyJ",
    "-eyJ",
    "@",
    "a@b.",
    of("-----BEGIN ", "PRIVATE KEY-----"),
    "://:x",
    "://a:b",
    "password=",
    'password="',
    "token=a.",
    "token=${",
    "key:",
    "ghp_",
    "-ghp_",
    "$1$",
    "DE89 ",
    "password,a\n",
    "|password",
    "[REDACTED:token=",
    "<token>",
    "Bearer ",
    ":AA",
    "1Q~",
  ];

  test.each(pieces)("of %j takes a time that grows with its length only", (piece) => {
    const text = (length: number): string => piece.repeat(Math.ceil(length / piece.length));
    mask(text(20_000));
    const short = millisecondsFor(() => mask(text(50_000)));
    const long = millisecondsFor(() => mask(text(400_000)));
    expect(long).toBeLessThan(Math.max(short, 20) * 8 * 4);
  });
});

function millisecondsFor(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
