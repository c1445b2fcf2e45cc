import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { CommandRule } from "./allow-rules.js";
import { checkCommand } from "./command-check.js";
import { checkHeaders } from "./header-check.js";
import { checkEndpoint, checkUrl, parseUrlRule } from "./url-rule.js";

const folder = mkdtempSync(path.join(tmpdir(), "drawbridge-allow-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(path.join(folder, "bin"));
// The same program under its own name, under another, and another program under its name.
symlinkSync("/bin/cat", path.join(folder, "bin", "cat"));
symlinkSync("/bin/cat", path.join(folder, "bin", "harmless"));
mkdirSync(path.join(folder, "evil"));
symlinkSync("/bin/sh", path.join(folder, "evil", "cat"));

const rule: CommandRule = {
  command: "/bin/cat",
  arguments: ["--flag", "*"],
  directories: ["/srv"],
  environment: ["DSN"],
};
const wanted = {
  command: "/bin/cat",
  arguments: ["--flag", "anything"],
  workingDirectory: "",
  environment: { DSN: "x" },
  limits: undefined,
};
const surroundings = { searchPath: `relative:${folder}/bin:/bin`, childDirectory: "/state/children" };

describe("checkCommand", () => {
  test.each([
    ["as written", {}],
    ["by name on the PATH", { command: "cat" }],
    ["by a link of the same name to the same file", { command: `${folder}/bin/cat` }],
    ["in a directory of the rule", { workingDirectory: "/srv" }],
    ["without its variable", { environment: {} }],
  ])("allows the command %s", (_name, change) => {
    expect(checkCommand([rule], { ...wanted, ...change }, surroundings)).toMatchObject({
      command: "/bin/cat",
      directory: "workingDirectory" in change ? "/srv" : "/state/children",
    });
  });

  test.each([
    ["another command", { command: "/bin/sh" }],
    ["a link to it under another name", { command: `${folder}/bin/harmless` }],
    ["another program under its name", { command: `${folder}/evil/cat` }],
    ["a path that is not normal", { command: "/bin/../bin/cat" }],
    ["a relative path", { command: "./cat" }],
    ["an empty command", { command: "" }],
    ["a NUL in the command", { command: "/bin/cat\0x" }],
    ["other arguments", { arguments: ["--other", "anything"] }],
    ["more arguments", { arguments: ["--flag", "anything", "more"] }],
    ["fewer arguments", { arguments: ["--flag"] }],
    ["a NUL in an argument", { arguments: ["--flag", "a\0b"] }],
    ["another directory", { workingDirectory: "/etc" }],
    ["a directory below", { workingDirectory: "/srv/below" }],
    ["a directory by detour", { workingDirectory: "/etc/../srv" }],
    ["another variable", { environment: { DSN: "x", NODE_OPTIONS: "--require=/evil.js" } }],
    ["a loader variable", { environment: { LD_PRELOAD: "/evil.so" } }],
    ["a variable of another case", { environment: { dsn: "x" } }],
    ["a variable that hides a second one", { environment: { "DSN=x\nLD_PRELOAD": "y" } }],
    ["a NUL in a value", { environment: { DSN: "a\0b" } }],
  ])("refuses %s", (_name, change) => {
    expect(checkCommand([rule], { ...wanted, ...change }, surroundings)).toMatch(/does not allow this/);
  });

  test("refuses everything without rules", () => {
    expect(checkCommand([], wanted, surroundings)).toMatch(/does not allow this command/);
  });

  test("does not combine what two rules allow", () => {
    const rules = [rule, { ...rule, arguments: ["other"], environment: ["SECRET"] }];
    expect(checkCommand(rules, { ...wanted, environment: { SECRET: "x" } }, surroundings)).toMatch(
      /environment/,
    );
  });

  test("allows any arguments only where the rule says so", () => {
    const loose = { ...rule, arguments: "any" } as const;
    expect(checkCommand([loose], { ...wanted, arguments: ["a", "b", "c"] }, surroundings)).toMatchObject({
      arguments: ["a", "b", "c"],
    });
  });
});

describe("checkUrl", () => {
  const rules = ["http://127.0.0.1:9000/mcp", "https://tools.example.com/mcp/*", "http://h/q?a=1"].map(
    parseUrlRule,
  );

  test.each([
    "http://127.0.0.1:9000/mcp",
    "HTTP://127.0.0.1:9000/x/../mcp",
    "https://tools.example.com:443/mcp/",
    "https://TOOLS.example.com/mcp/shop?x=1",
    "http://h/q?a=1",
  ])("allows %s", (url) => {
    expect(checkUrl(rules, url)).toBeInstanceOf(URL);
  });

  test.each([
    "http://127.0.0.1:9001/mcp",
    "https://127.0.0.1:9000/mcp",
    "http://127.0.0.1/mcp",
    "http://localhost:9000/mcp",
    "http://127.0.0.1:9000/mcp/",
    "http://127.0.0.1:9000/mcp?x=1",
    "http://127.0.0.1:9000@evil.example/mcp",
    "http://user:pass@127.0.0.1:9000/mcp",
    "http://127.0.0.1:9000/mcp#x",
    "https://tools.example.com/mcp",
    "https://tools.example.com/mcp/../admin",
    "https://tools.example.com/mcp/%2e%2e/admin",
    "https://tools.example.com/mcp/..%2fadmin",
    "https://tools.example.com/mcp/..%5cadmin",
    "https://tools.example.com/mcp/%252e%252e/admin",
    "https://tools.example.com.evil.example/mcp/x",
    "https://evil.example/https://tools.example.com/mcp/x",
    "ftp://tools.example.com/mcp/x",
    "file:///etc/passwd",
    "http://h/q?a=2",
    "not a url",
    "",
  ])("refuses %j", (url) => {
    expect(checkUrl(rules, url)).toEqual(expect.any(String));
  });
});

describe("checkEndpoint", () => {
  const rules = ["http://h/sse", "http://h/messages", "http://h/below/*", "http://h/only?a=1"].map(
    parseUrlRule,
  );

  test.each(["http://h/messages", "http://h/messages?session=1", "http://h/below/x?y", "http://h/only?a=1"])(
    "allows %s, whatever session it names",
    (url) => {
      expect(checkEndpoint(rules, new URL(url))).toEqual(new URL(url));
    },
  );

  test.each([
    "http://h/other?session=1",
    "http://h/messages/x",
    "http://h/only?a=2",
    "http://h/below/%2e%2e/x",
    "http://evil.example/messages",
    "http://user:pass@h/messages?session=1",
  ])("refuses %s", (url) => {
    expect(checkEndpoint(rules, new URL(url))).toEqual(expect.any(String));
  });
});

describe("checkHeaders", () => {
  test("allows what a target needs", () => {
    expect(checkHeaders({ Authorization: "Bearer x", "X-Api-Key": "y" })).toBeUndefined();
  });

  test.each([
    ["Host", "internal"],
    ["Transfer-Encoding", "chunked"],
    ["content-length", "0"],
    ["Proxy-Authorization", "x"],
    ["MCP-Protocol-Version", "1"],
    ["Mcp-Method", "ping"],
    ["Mcp-Name", "x"],
    ["Mcp-Param-Region", "eu"],
    ["bad name", "x"],
    ["X-Split", "a\r\nHost: b"],
  ])("refuses %s, without quoting its value", (name, value) => {
    const refusal = checkHeaders({ [name]: value });
    expect(refusal).toEqual(expect.any(String));
    expect(refusal).not.toContain("\r\n");
  });
});
