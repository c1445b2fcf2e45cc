import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "./config.js";

const minimal = {
  DATABASE_URL: "postgresql://app@127.0.0.1:5432/drawbridge",
  OIDC_ISSUER: "https://id.example.test",
  OIDC_CLIENT_ID: "cli",
  DRAWBRIDGE_PUBLIC_URL: "https://gate.example.test/",
  DRAWBRIDGE_KEK_FILE: "/run/kek",
};

describe("loadConfig", () => {
  test("derives the two audiences from the public URL", () => {
    const { oidc, publicUrl } = loadConfig(minimal);
    expect(publicUrl).toBe("https://gate.example.test");
    expect(oidc.mcpAudience).toBe("https://gate.example.test/mcp");
    expect(oidc.apiAudience).toBe("https://gate.example.test/api");
  });

  test.each(["DRAWBRIDGE_PUBLIC_ULR", "OIDC_ISSUERS"])("refuses the unknown name %s", (name) => {
    expect(() => loadConfig({ ...minimal, [name]: "x" })).toThrow(`${name}: no such setting`);
  });

  test("ignores what is not ours", () => {
    expect(() => loadConfig({ ...minimal, PATH: "/bin", LANG: "C" })).not.toThrow();
  });

  test.each([
    ["DATABASE_URL", "mysql://x/y"],
    ["DRAWBRIDGE_LISTEN", "8080"],
    ["DRAWBRIDGE_LISTEN", "127.0.0.1:99999"],
    ["DRAWBRIDGE_PUBLIC_URL", "gate.example.test"],
    ["DRAWBRIDGE_SESSION_IDLE_MINUTES", "0"],
  ])("names %s when it is %j", (name, value) => {
    expect(() => loadConfig({ ...minimal, [name]: value })).toThrow(name);
  });

  test("names every missing setting at once", () => {
    expect(() => loadConfig({})).toThrow(/DATABASE_URL[^]*OIDC_ISSUER[^]*DRAWBRIDGE_KEK_FILE/);
  });

  test("wants the address that agents dial when it listens on all of them", () => {
    const wildcard = { ...minimal, DRAWBRIDGE_AGENT_LISTEN: "0.0.0.0:8443" };
    expect(() => loadConfig(wildcard)).toThrow("DRAWBRIDGE_AGENT_ADDRESS");
    const { agentAddress } = loadConfig({ ...wildcard, DRAWBRIDGE_AGENT_ADDRESS: "gate.example.test:8443" });
    expect(agentAddress.host).toBe("gate.example.test");
  });

  test("reads a file, and the environment wins over it", () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "config-")), "drawbridge.yaml");
    writeFileSync(file, "DRAWBRIDGE_LISTEN: 127.0.0.1:9000\nDRAWBRIDGE_LOG_LEVEL: debug\n");
    const config = loadConfig({ ...minimal, DRAWBRIDGE_CONFIG_FILE: file, DRAWBRIDGE_LOG_LEVEL: "warn" });
    expect(config.listen).toEqual({ host: "127.0.0.1", port: 9000 });
    expect(config.logLevel).toBe("warn");
  });

  test("says which file cannot be read", () => {
    expect(() => loadConfig({ ...minimal, DRAWBRIDGE_CONFIG_FILE: "/nowhere.yaml" })).toThrow(
      "/nowhere.yaml",
    );
  });
});
