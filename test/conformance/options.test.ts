import { expect, test } from "vitest";
import { ALLOWED_DIFFERENCES } from "./allow-list.js";
import { parseOptions } from "./options.js";

test("without options everything is run", () => {
  const options = parseOptions([]);
  expect(options.revisions).toHaveLength(4);
  expect(options.transports).toEqual(["http", "stdio", "sse"]);
  expect(options).toMatchObject({ clients: true, json: false, only: undefined, target: undefined });
});

test("everything after --target is the target", () => {
  expect(parseOptions(["--json", "--target", "node", "server.js", "--json"]).target).toEqual({
    command: ["node", "server.js", "--json"],
  });
  expect(parseOptions(["--target", "http://127.0.0.1:3000/mcp"])).toMatchObject({
    target: { url: "http://127.0.0.1:3000/mcp" },
    clients: false,
  });
});

test("what is not known is an error that names what is", () => {
  expect(() => parseOptions(["--transport", "http,carrier-pigeon"])).toThrow(
    /carrier-pigeon is none of http/,
  );
  expect(() => parseOptions(["--target"])).toThrow(/needs a URL or a command/);
  expect(() => parseOptions(["--target", "http://127.0.0.1/mcp", "more"])).toThrow(/nothing may follow/);
});

test("no difference is allowed", () => {
  expect(ALLOWED_DIFFERENCES).toEqual([]);
});
