import { expect, test } from "vitest";
import { testSession } from "../fakes/test-session.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { OwnAnswers } from "./own-answers.js";

const MESSAGE = Buffer.from("{}");

/** Of an exchange that has another end already. */
function answers(session = testSession()) {
  const delivery = { end: async () => undefined };
  return { session, own: new OwnAnswers(session, {} as never, {} as never, delivery as never) };
}

test("an answer in a session that has just ended is refused, so that its caller does not wait for ever", async () => {
  const { own, session } = answers();
  session.ended = true;
  await expect(own.give({} as Exchange, { message: MESSAGE })).rejects.toMatchObject({ code: -32001 });
});

test("an answer to what somebody else has answered is left to them", async () => {
  const { own } = answers();
  await expect(own.give({} as Exchange, { message: MESSAGE })).resolves.toBeUndefined();
});
