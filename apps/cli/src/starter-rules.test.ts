import {
  type Dialect,
  loadParsers,
  shellFacts,
  type ShellFacts,
  sqlFacts,
  type SqlFacts,
} from "@drawbridge/commands";
import {
  type CommandCase,
  MYSQL_DEFINING,
  MYSQL_DESTRUCTIVE,
  MYSQL_ORDINARY,
  MYSQL_READING,
  MYSQL_SETTING,
  POSTGRESQL_BENIGN,
  POSTGRESQL_DESTRUCTIVE,
  SHELL_BENIGN,
  SHELL_DESTRUCTIVE,
  SHELL_EVERYDAY,
  SHELL_KNOWN_TRICKS,
} from "@drawbridge/commands/fixtures";
import { type Decision, type Effect, evaluate, type Operation } from "@drawbridge/policy";
import { beforeAll, describe, expect, test } from "vitest";
import { type OfflinePolicies, readOfflinePolicies } from "./offline-policies.js";

let policies: OfflinePolicies;

beforeAll(async () => {
  await loadParsers();
  policies = await readOfflinePolicies(undefined, { stdin: process.stdin });
});

function effectOf(dialect: Dialect, text: string): Effect {
  return decide(dialect, text, "development").effect;
}

function decide(dialect: Dialect, text: string, env: string): Decision {
  const isShell = dialect === "sh";
  const facts = isShell ? shellFacts([text]) : sqlFacts(dialect, [text]);
  const operation: Operation = {
    target: { name: "any", labels: { commands: isShell ? "shell" : "sql", env } },
    method: "tools/call",
    name: isShell ? "run_command" : "execute_sql",
    ...(isShell ? { shell: () => facts as ShellFacts } : { sql: () => facts as SqlFacts }),
  };
  const somebody = { principal: { id: "test", groups: policies.groups }, client: { id: "test" } };
  return evaluate(policies.compiled, operation, somebody);
}

interface Suite {
  readonly name: string;
  readonly dialect: Dialect;
  readonly cases: readonly CommandCase[];
}

type Texts = readonly string[] | Readonly<Record<string, readonly string[]>>;

/** A suite of texts alone, or of families of them: `family-1`, `family-2` …, its name being the family of a plain one. */
function numbered(name: string, dialect: Dialect, texts: Texts): Suite {
  const families = Array.isArray(texts) ? { [name]: texts as readonly string[] } : texts;
  const cases = Object.entries(families).flatMap(([family, members]) =>
    (members as readonly string[]).map((text, index) => ({ id: `${family}-${index + 1}`, text })),
  );
  return { name, dialect, cases };
}

const DESTRUCTIVE: readonly Suite[] = [
  { name: "PostgreSQL", dialect: "postgresql", cases: POSTGRESQL_DESTRUCTIVE },
  numbered("MySQL", "mysql", MYSQL_DESTRUCTIVE),
  numbered("shell", "sh", SHELL_DESTRUCTIVE),
  numbered("known tricks", "sh", SHELL_KNOWN_TRICKS),
];
const BENIGN: readonly Suite[] = [
  { name: "PostgreSQL", dialect: "postgresql", cases: POSTGRESQL_BENIGN },
  numbered("MySQL reading", "mysql", MYSQL_READING),
  numbered("MySQL ordinary", "mysql", MYSQL_ORDINARY),
  numbered("shell", "sh", SHELL_BENIGN),
  numbered("everyday", "sh", SHELL_EVERYDAY),
];

/**
 * Harmless, and denied on purpose: what changes the connection or looks after the server, and files that go to other
 * hosts. These are not in the one in a hundred below; with them it would be more.
 */
const STRICTER_THAN_HARM: readonly Suite[] = [
  numbered("MySQL settings and maintenance", "mysql", MYSQL_SETTING),
  numbered("copies to other hosts", "sh", ["scp a host:b", "rsync -avz src/ host:dst/"]),
];

/** Benign cases that the starter rules deny all the same, by id, with the reason. */
const DENIED_ALL_THE_SAME: Readonly<Record<string, string>> = {
  "reading and filtering-20": "nohup: what outlives its call is not watched by anybody",
  "reading and filtering-42": "something runs in the background, though the line waits for it",
};

function countOf(suites: readonly Suite[]): number {
  return suites.reduce((sum, { cases }) => sum + cases.length, 0);
}

/** Ids and texts of what is decided otherwise. */
function others({ dialect, cases }: Suite, expected: Effect): readonly string[] {
  return cases
    .filter(({ text }) => effectOf(dialect, text) !== expected)
    .map(({ id, text }) => `${id}: ${text}`);
}

function isListed(line: string): boolean {
  return Object.hasOwn(DENIED_ALL_THE_SAME, line.slice(0, line.indexOf(": ")));
}

describe("the starter rules", () => {
  test.each(DESTRUCTIVE)("deny everything that destroys: $name", (suite) => {
    expect(others(suite, "deny")).toEqual([]);
  });

  test.each(BENIGN)("allow what only looks destructive: $name", (suite) => {
    const denied = others(suite, "allow").filter((line) => !isListed(line));
    expect(denied).toEqual([]);
  });

  test.each(STRICTER_THAN_HARM)("deny on purpose, harmless as it is: $name", ({ dialect, cases }) => {
    expect(cases.filter(({ text }) => effectOf(dialect, text) === "allow")).toEqual([]);
  });

  test("allow tables to be made and looked after where it is not production", () => {
    expect(others(numbered("defining", "mysql", MYSQL_DEFINING), "allow")).toEqual([]);
  });

  test.each<{ dialect: Dialect; text: string; group: string }>([
    { dialect: "postgresql", text: "update t set a = 1 where id = 2", group: "dba" },
    { dialect: "mysql", text: "insert into t values (1)", group: "dba" },
    { dialect: "sh", text: "touch a", group: "operations" },
  ])("ask $group before production is changed: $text", ({ dialect, text, group }) => {
    for (const env of ["production", "live"]) {
      expect(decide(dialect, text, env)).toMatchObject({
        effect: "require_approval",
        review: { from: [{ group, count: 1 }], expiresIn: "15m" },
      });
    }
    expect(decide(dialect, text, "staging").effect).toBe("allow");
  });

  test("deny less than one in a hundred that only look destructive, and each that is listed", () => {
    const denied = BENIGN.flatMap((suite) => others(suite, "allow"));
    expect(denied.length).toBe(Object.keys(DENIED_ALL_THE_SAME).length);
    expect(denied.length).toBeLessThanOrEqual(countOf(BENIGN) / 100);
  });

  test("were tried with hundreds of both", () => {
    expect(countOf(DESTRUCTIVE)).toBeGreaterThanOrEqual(300);
    expect(countOf(BENIGN)).toBeGreaterThanOrEqual(300);
  });
});
