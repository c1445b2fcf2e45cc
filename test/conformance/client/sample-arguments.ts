interface Tool {
  readonly name: string;
  readonly inputSchema: Schema;
}

interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties?: Record<string, unknown> | undefined;
  readonly required?: string[] | undefined;
}

/**
 * Arguments that a tool accepts: something of the right type for everything that is required. Where a schema is wanted,
 * it gets one of the tools' own, exactly as it was listed.
 */
export function sampleArguments({ properties = {}, required = [] }: Schema, tools: readonly Tool[]) {
  return Object.fromEntries(
    required.map((name) => [name, sample(name, (properties[name] ?? {}) as { type?: unknown }, tools)]),
  );
}

function sample(name: string, { type }: { type?: unknown }, tools: readonly Tool[]): unknown {
  switch (type) {
    case "number":
    case "integer":
      return 2;
    case "boolean":
      return true;
    case "object":
      return name === "schema" ? tools[0]?.inputSchema : {};
    default:
      return "sample";
  }
}
