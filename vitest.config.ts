import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import found from "./test/fuzz/seeds.json" with { type: "json" };

export default defineConfig({
  ssr: { resolve: { conditions: ["@drawbridge/source", ...defaultServerConditions] } },
  test: {
    include: ["{apps,libs}/*/src/**/*.test.ts", "{test,bench}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores, of which the tests of the whole leave half unused: they wait for people, for clients and for crashes.
    maxWorkers: 3,
    // A short run that is the same each time; `pnpm fuzz` is the long one.
    provide: { fuzz: { iterations: 20_000, seed: 20_260_728, found } },
  },
});
