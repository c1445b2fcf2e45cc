import { describe, expect, test } from "vitest";
import {
  acceptsEventStream,
  acceptsMcp,
  isEventStreamContentType,
  isJsonContentType,
  validHost,
  validOrigin,
} from "./http-headers.js";

describe("acceptsMcp", () => {
  test.each([
    ["application/json, text/event-stream", true],
    ["Text/Event-Stream;q=0.5 , APPLICATION/JSON;charset=utf-8", true],
    ["application/json, text/event-stream, */*", true],
    ["application/json", false],
    ["text/event-stream", false],
    ["*/*", false],
    ["application/jsonp, text/event-stream", false],
    ["application/json, text/event-stream;q=0", false],
    ["application/json, text/event-stream; q=0.000", false],
    ["application/json;text/event-stream", false],
    ["", false],
    [undefined, false],
  ])("%s: %s", (accept, accepted) => {
    expect(acceptsMcp(accept)).toBe(accepted);
  });

  test("a GET needs the event stream only", () => {
    expect(acceptsEventStream("text/event-stream")).toBe(true);
    expect(acceptsEventStream("application/json")).toBe(false);
  });
});

describe("content types", () => {
  test.each([
    ["application/json", true],
    ["Application/JSON ; charset=UTF-8", true],
    ['application/json; charset="utf-8"; x=y', true],
    ["application/json; charset=utf-16", false],
    ["application/json-seq", false],
    ["text/plain; a=application/json", false],
    ["text/plain", false],
    ["application/json, text/plain", false],
    ["", false],
    [undefined, false],
  ])("%s is JSON: %s", (contentType, json) => {
    expect(isJsonContentType(contentType)).toBe(json);
  });

  test("an event stream may have parameters", () => {
    expect(isEventStreamContentType("text/event-stream; charset=utf-8")).toBe(true);
    expect(isEventStreamContentType("text/event-streams")).toBe(false);
    expect(isEventStreamContentType(undefined)).toBe(false);
  });
});

describe("validOrigin", () => {
  const allowed = ["https://console.example.com", "http://127.0.0.1:8080"];

  test.each([
    [undefined, true],
    ["https://console.example.com", true],
    ["https://Console.Example.com:443", true],
    ["http://127.0.0.1:8080", true],
    ["http://console.example.com", false],
    ["https://console.example.com:8443", false],
    ["https://console.example.com.evil.test", false],
    ["https://evil.test/https://console.example.com", false],
    ["https://console.example.com/", false],
    ["https://user@console.example.com", false],
    ["https://console.example.com https://evil.test", false],
    ["http://127.0.0.1", false],
    ["null", false],
    ["", false],
    ["http://[", false],
  ])("%s: %s", (origin, valid) => {
    expect(validOrigin(origin, allowed)).toBe(valid);
  });

  test("a mistake among the allowed does not allow mistakes", () => {
    expect(validOrigin("null", ["null", "", "*"])).toBe(false);
  });
});

describe("validHost", () => {
  const allowed = ["localhost", "[::1]", "drawbridge.example.com:8443"];

  test.each([
    ["localhost", true],
    ["LOCALHOST:8080", true],
    ["[::1]:8080", true],
    ["drawbridge.example.com:8443", true],
    ["drawbridge.example.com", false],
    ["drawbridge.example.com:443", false],
    ["localhost.evil.test", false],
    ["localhost.", false],
    ["evil.test", false],
    ["localhost@evil.test", false],
    ["localhost:", false],
    ["localhost:80:80", false],
    ["localhost, evil.test", false],
    ["", false],
    [undefined, false],
  ])("%s: %s", (host, valid) => {
    expect(validHost(host, allowed)).toBe(valid);
  });
});
