import { z } from "zod";

/** Query of every list: `limit` entries after `cursor`, which is opaque. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(512).optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** One page of a list. Without `nextCursor` it is the last one. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().optional() });
}

export interface Page<Item> {
  items: Item[];
  nextCursor?: string | undefined;
}
