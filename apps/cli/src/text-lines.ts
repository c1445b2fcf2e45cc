import { CliError } from "./errors.js";

/** The lines of a text that comes in pieces. @throws CliError for a line of more than `maxLength` characters */
export async function* textLines(
  stream: AsyncIterable<Uint8Array | string>,
  maxLength: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of stream) {
    pending += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    if (pending.length > maxLength) throw new CliError(`a line is longer than ${maxLength} characters`);
    yield* lines;
  }
  pending += decoder.decode();
  if (pending !== "") yield pending;
}
