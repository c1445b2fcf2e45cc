import { expect, test } from "vitest";
import type { Config } from "../../config.js";
import type { Jobs } from "../../platform/jobs.js";
import type { RecordingRecovery } from "../../recordings/index.js";
import { testSession } from "../fakes/test-session.js";
import { SessionUpkeep } from "./session-upkeep.js";
import type { SessionsRepository } from "./sessions.repository.js";
import type { SessionsService } from "./sessions.service.js";

test("a database that refuses the touches for any reason gets them again later", async () => {
  const session = testSession();
  const answers = [
    () => Promise.reject(new Error("canceling statement due to statement timeout")),
    () => Promise.resolve(),
  ];
  const touched: string[][] = [];
  const repository = {
    touch: (ids: string[]) => {
      touched.push(ids);
      return answers.shift()?.();
    },
  };
  const upkeep = new SessionUpkeep(
    {} as Config,
    { all: [session] } as unknown as SessionsService,
    repository as unknown as SessionsRepository,
    {} as Jobs,
    {} as RecordingRecovery,
  );
  for (let count = 0; count < 3; count += 1) await upkeep["writeTouches"]();
  expect(touched).toEqual([["s"], ["s"]]);
});
