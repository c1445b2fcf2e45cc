import { describe, expect, it } from "vitest";
import { parseTargetDocuments } from "./target-documents.js";

const SHOP = `apiVersion: drawbridge/v1
kind: Target
metadata:
  name: shop
spec:
  agentGroup: demo
  transport:
    stdio:
      command: dbhub
`;

function problemsOf(text: string): readonly string[] {
  try {
    parseTargetDocuments(text, "targets.yaml");
  } catch (error) {
    return (error as { details: readonly string[] }).details;
  }
  return [];
}

describe("target documents", () => {
  it("reads several documents of one file", () => {
    const targets = parseTargetDocuments(`${SHOP}---\n${SHOP.replace("shop", "files")}---\n`, "targets.yaml");
    expect(targets.map(({ metadata }) => metadata.name)).toEqual(["shop", "files"]);
    expect(targets[0]?.spec.exchangeTimeoutSeconds).toBe(3600);
  });

  it("reads JSON", () => {
    const [target] = parseTargetDocuments(JSON.stringify(parseTargetDocuments(SHOP, "a")[0]), "b");
    expect(target?.metadata.name).toBe("shop");
  });

  it("names the line of every problem in every document", () => {
    const second = SHOP.replace("name: shop", "name: Shop").replace("kind: Target", "kind: Traget");
    expect(problemsOf(`${SHOP}---\n${second}`)).toEqual([
      expect.stringMatching(/^line 12: kind: /),
      expect.stringMatching(/^line 14: metadata\.name: /),
    ]);
  });

  it("names the line of broken YAML and of a repeated key", () => {
    expect(problemsOf(`${SHOP}kind: Target\n`)).toEqual([expect.stringMatching(/^line 10: .*unique/)]);
    expect(problemsOf("a: [1,\n")[0]).toMatch(/^line \d+: /);
  });

  it("refuses a file without a target", () => {
    expect(() => parseTargetDocuments("# nothing\n", "empty.yaml")).toThrow("empty.yaml holds no target");
  });

  it("refuses aliases that multiply", () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f"]
      .map((name, index) => `${name}: &${name} [${Array(10).fill(`*${"abcde"[index]}`).join(",")}]`)
      .join("\n")}\n`;
    expect(() => parseTargetDocuments(bomb, "bomb.yaml")).toThrow("bomb.yaml uses too many YAML aliases");
  });
});
