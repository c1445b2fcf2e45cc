import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), "utf8"));

const packages = ["apps", "libs"]
  .flatMap((parent) => readdirSync(path.join(root, parent)).map((name) => `${parent}/${name}`))
  .concat("test", "bench");

test("the root tsconfig.json names every package that has one", () => {
  const { references } = readJson("tsconfig.json") as { references: { path: string }[] };
  const compiled = packages.filter((folder) => existsSync(path.join(root, folder, "tsconfig.json")));
  expect(references.map((reference) => reference.path).toSorted()).toEqual(compiled.toSorted());
});

test("every package is private and takes versions from the catalog", () => {
  const manifests = packages.filter((folder) => existsSync(path.join(root, folder, "package.json")));
  expect(manifests.length).toBeGreaterThan(5);
  const faults = manifests.flatMap((folder) => {
    const manifest = readJson(`${folder}/package.json`) as {
      private?: boolean;
      dependencies?: Record<string, string>;
      devDependencies?: Record<string, string>;
    };
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    const own = versions.filter(([, version]) => version !== "catalog:" && version !== "workspace:*");
    return [
      ...(manifest.private ? [] : [`${folder} is not private`]),
      ...own.map(([name]) => `${folder}: ${name}`),
    ];
  });
  expect(faults).toEqual([]);
});
