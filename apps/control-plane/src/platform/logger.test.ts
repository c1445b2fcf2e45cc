import { Writable } from "node:stream";
import { Logger } from "@nestjs/common";
import { describe, expect, test } from "vitest";
import { createLogger, NestLogger } from "./logger.js";

function logged(write: (logger: Logger) => void): Record<string, unknown> {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  Logger.overrideLogger(new NestLogger(createLogger("debug", sink)));
  write(new Logger("somewhere"));
  Logger.overrideLogger(false);
  return JSON.parse(lines.join("")) as Record<string, unknown>;
}

describe("the log", () => {
  test("has fields at the top, where a search finds them", () => {
    const line = logged((logger) => logger.warn("an agent fell silent", { agent: "a1" }));
    expect(line).toMatchObject({ msg: "an agent fell silent", context: "somewhere", agent: "a1", level: 40 });
  });

  test.each(["token", "authorization", "password", "key"])("never shows a field named %s", (name) => {
    const line = logged((logger) => logger.error("something failed", { [name]: "hunter2" }));
    expect(JSON.stringify(line)).not.toContain("hunter2");
  });

  test("keeps a text that explains", () => {
    expect(logged((logger) => logger.error("it failed", "because of rain"))).toMatchObject({
      details: ["because of rain"],
    });
  });
});
