import type { z } from "zod";
import { CliError } from "./errors.js";
import { textLines } from "./text-lines.js";

/** The values of an answer that has one JSON value a line. A line that says something else is a CliError. */
export async function* jsonLines<Schema extends z.ZodType>(
  stream: AsyncIterable<Uint8Array>,
  schema: Schema,
  maxLength: number,
): AsyncGenerator<z.output<Schema>> {
  for await (const line of textLines(stream, maxLength)) if (line !== "") yield parsed(line, schema);
}

function parsed<Schema extends z.ZodType>(line: string, schema: Schema): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new CliError("the control plane's answer broke off", { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new CliError("the control plane gave an answer this version does not understand");
}
