import fc from "fast-check";
import { expect, test } from "vitest";
import { openExchanges } from "./open-exchanges.js";

const on = (kind: string, exchange: number) => ({ kind, exchange });

test.each<[string, ReturnType<typeof on>[], number[]]>([
  ["nothing is open in an empty recording", [], []],
  ["a request without an answer is open", [on("request", 1)], [1]],
  ["a response ends it", [on("request", 1), on("response", 1)], []],
  ["not_sent ends it", [on("request", 1), on("not_sent", 1)], []],
  ["outcome_unknown ends it", [on("request", 1), on("outcome_unknown", 1)], []],
  ["an answer ends its own exchange only", [on("request", 1), on("request", 2), on("response", 2)], [1]],
  [
    "decisions and notifications end nothing",
    [on("request", 1), on("decision", 1), on("notification", 1)],
    [1],
  ],
  [
    "the end of the target or the session ends nothing",
    [on("request", 1), on("target_ended", 0), on("session_closed", 0)],
    [1],
  ],
  ["chunks of an answer without the answer end nothing", [on("request", 1), on("response_chunk", 0)], [1]],
  [
    "what the target asks is no request of the client",
    [on("server_request", 1), on("client_response", 0)],
    [],
  ],
  ["exchange 0 is none", [on("request", 0)], []],
  ["an answer nobody asked for is ignored", [on("response", 9), on("request", 1)], [1]],
  [
    "they come in the order they were begun",
    [on("request", 7), on("request", 3), on("request", 5)],
    [7, 3, 5],
  ],
])("%s", (_, events, open) => {
  expect(openExchanges(events)).toEqual(open);
});

test("whatever the order of answers, exactly the unanswered requests are open", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 50 })),
      fc.func(fc.boolean()),
      (exchanges, answered) => {
        const ends = exchanges.filter((exchange) => answered(exchange)).toReversed();
        const events = [
          ...exchanges.map((exchange) => on("request", exchange)),
          ...ends.map((exchange) => on("response", exchange)),
        ];
        expect(openExchanges(events)).toEqual(exchanges.filter((exchange) => !answered(exchange)));
      },
    ),
  );
});
