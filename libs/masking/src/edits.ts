import { placeholder, type Kind } from "./profile.js";

/** A range of a text to replace. A number is replaced by `0`, everything else by the placeholder of its kind. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly kind: Kind;
  readonly number?: true;
}

export function replacementOf(edit: Pick<Edit, "kind" | "number">): string {
  return edit.number ? "0" : placeholder(edit.kind);
}

/** Sorted, and overlapping edits made one: what any of them covers is gone. The earliest gives the kind. */
export function mergeEdits(edits: readonly Edit[]): Edit[] {
  if (edits.length < 2) return [...edits];
  const sorted = edits.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const merged: Edit[] = [];
  for (const edit of sorted) {
    const last = merged.at(-1);
    if (!last || edit.start >= last.end) merged.push(edit);
    else if (edit.end > last.end)
      merged[merged.length - 1] = { start: last.start, end: edit.end, kind: last.kind };
  }
  return merged;
}

/** Replaces the ranges of merged edits. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const pieces: string[] = [];
  let position = 0;
  for (const edit of edits) {
    pieces.push(text.slice(position, edit.start), replacementOf(edit));
    position = edit.end;
  }
  pieces.push(text.slice(position));
  return pieces.join("");
}

/**
 * Adds to merged edits of a text those found in its masked form. A range that touches a placeholder takes the whole of
 * what the placeholder stands for.
 */
export function addEditsOfMasked(edits: readonly Edit[], found: readonly Edit[]): Edit[] {
  let shift = 0;
  const placed = edits.map((edit) => {
    const start = edit.start + shift;
    const end = start + replacementOf(edit).length;
    shift += end - start - (edit.end - edit.start);
    return { edit, start, end };
  });
  const originalOf = (position: number, side: "start" | "end"): number => {
    const before = placed[lastBefore(placed, side === "start" ? position + 1 : position)];
    if (!before) return position;
    const isInside = side === "start" ? position < before.end : position <= before.end;
    return isInside ? before.edit[side] : position - before.end + before.edit.end;
  };
  const mapped = found.map(({ start, end, kind }) => ({
    start: originalOf(start, "start"),
    end: originalOf(end, "end"),
    kind,
  }));
  return mergeEdits([...edits, ...mapped]);
}

/** The index of the last range that starts before the position; -1 when none does. Ranges are in ascending order. */
function lastBefore(ranges: readonly { readonly start: number }[], position: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.start ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
