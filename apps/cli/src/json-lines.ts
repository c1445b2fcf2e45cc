import type { z } from "zod";
import { CliError } from "./errors.js";

/** The values of a stream that has one JSON value a line. A line that is too long or says something else is a CliError. */
export async function* jsonLines<Schema extends z.ZodType>(
  stream: AsyncIterable<Uint8Array>,
  schema: Schema,
  maxBytes: number,
): AsyncGenerator<z.output<Schema>> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of stream) {
    pending += decoder.decode(chunk, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    if (pending.length > maxBytes) throw new CliError("the control plane's answer has a line that is too long");
    for (const line of lines) if (line !== "") yield parsed(line, schema);
  }
  pending += decoder.decode();
  if (pending.trim() !== "") yield parsed(pending, schema);
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
