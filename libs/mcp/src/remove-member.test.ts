import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type McpRequest, parseMessage, removeMember, stringInParams } from "./index.js";

const request = (text: string) => parseMessage(Buffer.from(text)) as McpRequest;

function without(params: string, key: string, from: "params" | "meta" = "params"): string {
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
  const { method, params: rest } = JSON.parse(
    Buffer.from(removeMember(request(text), from, key)).toString(),
  ) as { method: string; params: unknown };
  expect(method).toBe("tools/call");
  return JSON.stringify(rest);
}

describe("a member of a request", () => {
  test("is taken out wherever it stands", () => {
    expect(without(`{"a":1,"b":2,"c":3}`, "a")).toBe(`{"b":2,"c":3}`);
    expect(without(`{"a":1,"b":2,"c":3}`, "b")).toBe(`{"a":1,"c":3}`);
    expect(without(`{"a":1,"b":2,"c":3}`, "c")).toBe(`{"a":1,"b":2}`);
    expect(without(`{ "a" : 1 }`, "a")).toBe("{}");
    expect(without(`{"b":1}`, "a")).toBe(`{"b":1}`);
    expect(without(`{"_meta":{"x":1,"y":[1,{"z":2}]},"a":1}`, "x", "meta")).toBe(
      `{"_meta":{"y":[1,{"z":2}]},"a":1}`,
    );
  });

  test("is found within other members", () => {
    const meta = (extensions: object) =>
      `{"_meta":{"io.modelcontextprotocol/clientCapabilities":${JSON.stringify({ roots: {}, extensions })}}}`;
    const text = `{"jsonrpc":"2.0","id":1,"method":"x","params":${meta({ a: {}, tasks: { b: 1 } })}}`;
    const left = removeMember(request(text), "clientCapabilities", "extensions", "tasks");
    expect(Buffer.from(left).toString()).toBe(
      `{"jsonrpc":"2.0","id":1,"method":"x","params":${meta({ a: {} })}}`,
    );
    const none = removeMember(request(text), "clientCapabilities", "elsewhere", "tasks");
    expect(Buffer.from(none).toString()).toBe(text);
  });

  test("leaves everything else byte for byte as it was", () => {
    const text = `{"jsonrpc":"2.0", "id":1,"method":"x","params":{"n":1234567890123456789 , "s" : "t" ,"f":1.0}}`;
    expect(Buffer.from(removeMember(request(text), "params", "s")).toString()).toBe(
      `{"jsonrpc":"2.0", "id":1,"method":"x","params":{"n":1234567890123456789 ,"f":1.0}}`,
    );
  });

  test("is taken out of what is in the client's capabilities", () => {
    const capabilities = (extensions: string) =>
      `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"x":1.0${extensions}}}}`;
    const from = (params: string) => {
      const message = request(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`);
      return Buffer.from(removeMember(message, "clientCapabilities", "extensions", "a")).toString();
    };
    const whole = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
    expect(from(capabilities(`,"extensions":{"a":{"b":[]},"c":{}}`))).toBe(
      whole(capabilities(`,"extensions":{"c":{}}`)),
    );
    expect(from(capabilities(`,"extensions":{"a":{}}`))).toBe(whole(capabilities(`,"extensions":{}`)));
    expect(from(capabilities(`,"extensions":7`))).toBe(whole(capabilities(`,"extensions":7`)));
    expect(from(capabilities(""))).toBe(whole(capabilities("")));
    expect(from("{}")).toBe(whole("{}"));
  });

  test("is gone, and nothing else is, whatever the request says", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (params, pick) => {
        const keys = Object.keys(params).filter((key) => key !== "__proto__");
        fc.pre(keys.length > 0);
        const key = keys[pick % keys.length] as string;
        let message: McpRequest;
        try {
          message = request(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "x", params }));
        } catch {
          return;
        }
        const { params: left } = JSON.parse(Buffer.from(removeMember(message, "params", key)).toString()) as {
          params: Record<string, unknown>;
        };
        const expected = JSON.parse(JSON.stringify(params)) as Record<string, unknown>;
        delete expected[key];
        expect(left).toEqual(expected);
      }),
    );
  });
});

test("a string among the parameters is read as it was meant", () => {
  const text = `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\\u0062","c":1}}`;
  expect(stringInParams(request(text), "a")).toBe("b");
  expect(stringInParams(request(text), "c")).toBeUndefined();
  expect(stringInParams(request(`{"jsonrpc":"2.0","id":1,"method":"x"}`), "a")).toBeUndefined();
});
