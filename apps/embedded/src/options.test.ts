import { describe, expect, test } from "vitest";
import { parseOptions } from "./options.js";

const parse = (args: string[], environment = {}) => parseOptions(args, environment, "/clone");

describe("parseOptions", () => {
  test("starts the demo on the documented ports in the clone when nothing is said", () => {
    expect(parse([])).toEqual({
      help: false,
      reset: false,
      demo: true,
      ports: { controlPlane: 8080, agents: 8443, identity: 8082, everything: 8083 },
      home: "/clone/.drawbridge",
    });
  });

  test("moves every port with --port, so that two can run side by side", () => {
    expect(parse(["--port", "9080"]).ports).toEqual({
      controlPlane: 9080,
      agents: 9081,
      identity: 9082,
      everything: 9083,
    });
  });

  test("understands --reset, --no-demo, --help and DRAWBRIDGE_HOME", () => {
    expect(parse(["--reset", "--no-demo", "--help"], { DRAWBRIDGE_HOME: "/elsewhere" })).toMatchObject({
      help: true,
      reset: true,
      demo: false,
      home: "/elsewhere",
    });
  });

  test.each([["--port", "80"], ["--port", "65533"], ["--port", "x"], ["--port"], ["--colour"], ["extra"]])(
    "refuses %s %s",
    (...args) => {
      expect(() => parse(args)).toThrow(/--port|--colour|extra/);
    },
  );
});
