import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  ssr: { resolve: { conditions: ["@drawbridge/source", ...defaultServerConditions] } },
  test: {
    include: ["{apps,libs}/*/src/**/*.test.ts", "{test,bench}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more workers only make the ones with databases and children slower.
    maxWorkers: 2,
  },
});
