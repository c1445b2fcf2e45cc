import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS, loadConfig, parseConfig } from "./config.js";

describe("parseConfig", () => {
  test("reads what an operator allows", async () => {
    const config = await parseConfig(
      `
allow:
  commands:
    - command: /usr/bin/node
      arguments: ["/srv/mcp/server.js", "*"]
      directories: ["/srv/mcp"]
      environment: [DSN]
    - command: /usr/bin/true
      arguments: any
  urls: ["http://127.0.0.1:9000/mcp"]
limits: { sessions: 3, children: 5, maxResultBytes: 1000000, perChild: { memoryBytes: 1000, openFiles: 20, cpuSeconds: 0 } }
`,
      "agent.yaml",
    );
    expect(config).toEqual({
      allow: {
        commands: [
          {
            command: "/usr/bin/node",
            arguments: ["/srv/mcp/server.js", "*"],
            directories: ["/srv/mcp"],
            environment: ["DSN"],
          },
          { command: "/usr/bin/true", arguments: "any", directories: [], environment: [] },
        ],
        urls: [{ origin: "http://127.0.0.1:9000", path: "/mcp", query: "", below: false }],
      },
      limits: {
        ...DEFAULT_LIMITS,
        sessions: 3,
        children: 5,
        maxResultBytes: 1_000_000,
        perChild: { memoryBytes: 1_000, cpuSeconds: 0, openFiles: 20, processes: 0 },
      },
    });
  });

  test("allows nothing where nothing is said", async () => {
    expect((await parseConfig("", "agent.yaml")).allow).toEqual({ commands: [], urls: [] });
  });

  test.each([
    ["allowed: {}", "allowed is not known; known here: allow, limits"],
    ["allow: { url: [] }", "allow.url is not known"],
    ["allow: { commands: [{ command: /bin/cat, args: [] }] }", "allow.commands[0].args is not known"],
    ["allow: { commands: [{}] }", "allow.commands[0].command is missing"],
    ["allow: { commands: [{ command: cat }] }", "has to be an absolute path"],
    ["allow: { commands: [{ command: /bin/../cat }] }", "has to be an absolute path"],
    [
      "allow: { commands: [{ command: /bin/cat, directories: [srv] }] }",
      "directories has to be an absolute path",
    ],
    ["allow: { commands: [{ command: /bin/cat, arguments: [1] }] }", "has to be a list of texts"],
    ["allow: { commands: [{ command: /bin/cat, arguments: '*' }] }", "arguments has to be a list"],
    ["allow: { commands: /bin/cat }", "allow.commands has to be a list"],
    ["allow: { commands: [/bin/cat] }", "allow.commands[0] has to be a mapping"],
    ["allow: { urls: ['ftp://x/'] }", "is neither http nor https"],
    ["allow: { urls: ['http://a:b@x/'] }", "holds a user name or password"],
    ["limits: { sessions: 0 }", "limits.sessions has to be a whole number from 1"],
    ["limits: { messageBytes: 999999999 }", "limits.messageBytes has to be a whole number"],
    ["limits: { children: 10001 }", "limits.children has to be a whole number from 1 to 10000"],
    ["limits: { perChild: { memory: 1 } }", "limits.perChild.memory is not known"],
    ["limits: { perChild: { memoryBytes: 1.5 } }", "limits.perChild.memoryBytes has to be a whole number"],
    ["limits: { perChild: 5 }", "limits.perChild has to be a mapping"],
    ["- a", "the document has to be a mapping"],
    ["allow: [", "is not valid YAML"],
    ["allow: {}\nallow: {}", "is not valid YAML"],
  ])("refuses %j and says why", async (text, message) => {
    await expect(parseConfig(text, "agent.yaml")).rejects.toThrow(message);
    await expect(parseConfig(text, "agent.yaml")).rejects.toMatchObject({ exitCode: 2 });
  });

  test("says which file cannot be read", async () => {
    await expect(loadConfig("/nonexistent.yaml")).rejects.toThrow(
      "cannot read the configuration /nonexistent.yaml: ENOENT",
    );
  });
});
