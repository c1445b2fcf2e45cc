import { JsonNumber, type JsonView } from "@drawbridge/mcp";

/** The member of an object; undefined where there is none, or no object. */
export function jsonMember(value: JsonView | undefined, name: string): JsonView | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value) || value instanceof JsonNumber || !Object.hasOwn(value, name)) return undefined;
  return (value as { readonly [key: string]: JsonView })[name];
}
