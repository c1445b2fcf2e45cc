import { JsonNumber, type JsonView } from "@drawbridge/mcp";

const DECLARATION = "x-mcp-header";
const TYPE = "type";

/**
 * What of a schema bears on its declarations of headers, and nothing else of it: these, their types, and the way to each.
 * Whether they are valid is not judged; what is left declares exactly what the whole did. Undefined when there is none.
 */
export function declarationsIn(value: JsonView | undefined): JsonView | undefined {
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return undefined;
  if (Array.isArray(value)) {
    const kept = (value as readonly JsonView[]).map(declarationsIn).filter((each) => each !== undefined);
    return kept.length === 0 ? undefined : kept;
  }
  const declares = Object.hasOwn(value, DECLARATION);
  const kept = Object.entries(value).flatMap(([key, inner]) => {
    const isOfDeclaration = declares && (key === DECLARATION || key === TYPE);
    // Where it is no text it declares nothing that is valid, whatever else it is; or both are names of arguments.
    const left = isOfDeclaration && typeof inner === "string" ? inner : declarationsIn(inner);
    if (left !== undefined) return [[key, left] as const];
    return isOfDeclaration ? [[key, null] as const] : [];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
