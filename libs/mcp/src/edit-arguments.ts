import { JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.js";
import type { McpRequest } from "./message.js";
import { replaceRanges, type Replacement } from "./replace-ranges.js";

/** parseMessage has bounded the depth already. */
const ANY_DEPTH = Number.POSITIVE_INFINITY;

/** What one value of the arguments is to be instead. */
export interface ArgumentEdit {
  /** RFC 6901, from the arguments on: `/sql`. */
  readonly pointer: string;
  /** JSON text. */
  readonly text: string;
}

/** An edit that cannot be made. `message` says what to do and quotes the pointer, never a value. */
export class ArgumentEditError extends Error {
  override readonly name = "ArgumentEditError";
  readonly pointer: string;

  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

/**
 * The bytes of the request with some values of its arguments replaced, byte for byte the same otherwise. Only what is
 * there can be replaced: nothing is added, removed or renamed. One pass, however many edits.
 * @throws ArgumentEditError
 */
export function editArguments(request: McpRequest, edits: readonly ArgumentEdit[]): Uint8Array {
  const range = request.ranges.arguments;
  const [first] = edits;
  if (first === undefined) return request.bytes;
  if (range === undefined)
    throw new ArgumentEditError(
      first.pointer,
      "this operation has no arguments: approve it as it is, or deny it",
    );
  const places = new Places(new JsonScanner(request.bytes, ANY_DEPTH));
  places.find(range[0], placesOf(edits));
  const missing = edits.find(({ pointer }) => !places.found.has(pointer));
  if (missing)
    throw new ArgumentEditError(
      missing.pointer,
      `the arguments have nothing at ${missing.pointer}: name a value that is there`,
    );
  return replaceRanges(request.bytes, places.replacements);
}

/** Where pointers lead: the edit that ends here, or the ways on. */
interface Place {
  edit?: ArgumentEdit;
  readonly children: Map<string, Place>;
}

function placesOf(edits: readonly ArgumentEdit[]): Place {
  const root: Place = { children: new Map() };
  for (const edit of edits) {
    let place = root;
    for (const token of tokensOf(edit.pointer)) {
      if (place.edit) throw overlapping(edit.pointer);
      const next: Place = place.children.get(token) ?? { children: new Map() };
      place.children.set(token, next);
      place = next;
    }
    if (place.edit || place.children.size > 0) throw overlapping(edit.pointer);
    place.edit = edit;
  }
  return root;
}

function overlapping(pointer: string): ArgumentEditError {
  return new ArgumentEditError(
    pointer,
    `${pointer} is edited twice, by itself or as a part of another: edit each value once`,
  );
}

const POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;

function tokensOf(pointer: string): readonly string[] {
  if (!POINTER.test(pointer))
    throw new ArgumentEditError(pointer, "this is no JSON pointer: write one such as /sql (RFC 6901)");
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

class Places {
  /** In the order of the text. */
  readonly replacements: Replacement[] = [];
  readonly found = new Set<string>();
  readonly #scanner: JsonScanner;

  constructor(scanner: JsonScanner) {
    this.#scanner = scanner;
  }

  /** Scans the value at `at`; returns the index after it. */
  find(at: number, place: Place | undefined): number {
    if (place === undefined) return this.#scanner.value(at, 1);
    if (place.edit) return this.#replace(at, place.edit);
    const byte = this.#scanner.bytes[at];
    if (byte === OPEN_BRACE)
      return this.#scanner.object(at, 1, (key, start) => this.find(start, place.children.get(key)));
    if (byte !== OPEN_BRACKET) return this.#scanner.value(at, 1);
    let index = 0;
    return this.#scanner.array(at, 1, (start) => this.find(start, place.children.get(String(index++))));
  }

  #replace(at: number, { pointer, text }: ArgumentEdit): number {
    const end = this.#scanner.value(at, 1);
    this.replacements.push({ range: [at, end], text });
    this.found.add(pointer);
    return end;
  }
}
