import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestPlatform, type TestPlatform } from "./fakes/test-platform.js";
import { Jobs } from "./jobs.js";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());

test("what is put off happens when its time has come, each once", async () => {
  const jobs = new Jobs(platform.config);
  const done: string[] = [];
  jobs.handle("act", (subject) => Promise.resolve(void done.push(subject)));
  try {
    await jobs.start();
    await jobs.later("act", "second", 400);
    await jobs.later("act", "first", 100);
    await expect.poll(() => done, { timeout: 10_000 }).toEqual(["first", "second"]);
  } finally {
    await jobs.onModuleDestroy();
  }
});
