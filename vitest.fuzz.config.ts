import { defineConfig, mergeConfig } from "vitest/config";
import tests from "./vitest.config.ts";

/** Of scripts/fuzz.mjs, which says by the environment how long, from where on and whether one surface alone. */
const { FUZZ_ITERATIONS, FUZZ_SEED, FUZZ_SURFACE, FUZZ_REPORTS } = process.env;
const HOUR_MS = 3_600_000;

export default mergeConfig(
  { ...tests, test: { ...tests.test, include: [] } },
  defineConfig({
    test: {
      include: [`{apps,libs}/*/src/**/${FUZZ_SURFACE ?? "*"}.fuzz.test.ts`],
      testTimeout: 4 * HOUR_MS,
      execArgv: ["--expose-gc"],
      disableConsoleIntercept: true,
      provide: {
        fuzz: {
          iterations: Number(FUZZ_ITERATIONS),
          seed: Number(FUZZ_SEED),
          surface: FUZZ_SURFACE,
          reports: FUZZ_REPORTS,
        },
      },
    },
  }),
);
