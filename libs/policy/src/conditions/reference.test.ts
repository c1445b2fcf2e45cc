import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { readPolicySource } from "../policy-source.js";
import { BOUNDS } from "./bounds.js";
import { checkCondition } from "./check-condition.js";
import { FUNCTIONS } from "./functions.js";
import { VARIABLES, type VariableDescription } from "./variables.js";

const reference = readFileSync(new URL("../../../../docs/policies.md", import.meta.url), "utf8");
/** However the columns are aligned. */
const plain = (text: string) => text.replace(/ +/g, " ").replace(/-{2,}/g, "--");

const row = (...cells: string[]) =>
  plain(`| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);

describe("docs/policies.md", () => {
  test.each(Object.entries<VariableDescription>(VARIABLES))(
    "has %s and its fields",
    (name, { says, type, fields }) => {
      const lines = [
        row(`\`${name}\``, type ?? "", says),
        ...Object.entries(fields ?? {}).map(([field, each]) =>
          row(`\`${name}.${field}\``, each.type, each.says),
        ),
      ];
      expect(plain(reference)).toContain(lines.join("\n"));
    },
  );

  test("has every function", () => {
    const lines = Object.values(FUNCTIONS).map(({ forms, says }) =>
      row(forms.map((form) => `\`${form}\``).join(", "), says),
    );
    expect(plain(reference)).toContain(lines.join("\n"));
  });

  test.each([
    BOUNDS.nodes,
    BOUNDS.depth,
    BOUNDS.comprehensionDepth,
    BOUNDS.patternLength,
    BOUNDS.patternRepeat,
    BOUNDS.patternSize,
    BOUNDS.matchedText,
    BOUNDS.madeText,
    BOUNDS.madeList,
    BOUNDS.splitParts,
  ])("has the bound %i", (bound) => {
    expect(reference).toContain(bound.toLocaleString("en-US"));
  });

  test("has a document and recipes that are valid", () => {
    const blocks = [...reference.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) => block);
    const [document = "", ...parts] = blocks;
    const recipes = parts.filter((part) => part.startsWith("- name:"));
    expect(recipes.length).toBeGreaterThan(6);
    const indented = recipes.join("").replaceAll(/^/gm, "    ").trimEnd();
    for (const source of [document, `${document.split("    - name:")[0]}${indented}\n`])
      expect(readPolicySource(source)).toMatchObject({ ok: true });
  });

  test("has access that a policy can have", () => {
    const [, access = ""] = /```yaml\n(access:\n.*?)```/s.exec(reference) ?? [];
    const [document = ""] = [...reference.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) => block);
    const source = document.replace("  rules:", `${access.trimEnd().replaceAll(/^/gm, "  ")}\n  rules:`);
    expect(readPolicySource(source)).toMatchObject({
      ok: true,
      policy: { spec: { access: { mode: "jit", whenCalled: "request" } } },
    });
  });

  test("has conditions that are valid", () => {
    const conditions = [...reference.matchAll(/^ +when: (.+)$/gm)].map(([, text = ""]) =>
      text.replace(/^'|'$/g, ""),
    );
    expect(conditions.length).toBeGreaterThan(8);
    const problems = conditions.map((text) => ({ text, checked: checkCondition(text) }));
    expect(problems.filter(({ checked }) => !checked.ok)).toEqual([]);
  });
});
