import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { root } from "./programs.js";

const folder = (kind: string): string => path.join(root, "deploy", "demo", kind);

export interface NamedDocument {
  name: string;
  document: unknown;
}

/** The demo's targets, with `${NAME}` in any text replaced by its value. */
export async function demoTargets(values: Readonly<Record<string, string>>): Promise<NamedDocument[]> {
  const sources = await readYaml(folder("targets"));
  // Filled in after parsing: a value cannot change the structure of the document.
  return sources.map(({ name, source }) => ({ name, document: fillIn(parse(source), values) }));
}

/** The demo's policies as written. */
export async function demoPolicies(): Promise<{ name: string; source: string }[]> {
  return readYaml(folder("policies"));
}

async function readYaml(directory: string): Promise<{ name: string; source: string }[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith(".yaml")).toSorted();
  return Promise.all(
    files.map(async (file) => ({
      name: path.basename(file, ".yaml"),
      source: await readFile(path.join(directory, file), "utf8"),
    })),
  );
}

function fillIn(value: unknown, values: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.replaceAll(/\$\{([A-Z_]+)\}/g, (_match, name: string) => {
      const known = values[name];
      if (known === undefined) throw new Error(`nobody gave \${${name}} a value`);
      return known;
    });
  }
  if (Array.isArray(value)) return value.map((item) => fillIn(item, values));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, values)]));
}
