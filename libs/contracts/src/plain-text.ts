import { z } from "zod";

/** Control characters, but for line breaks and tabs, and halves of characters: no store keeps them, and a terminal obeys them. */
const UNPRINTABLE = /(?![\t\n\r])[\p{Cc}\p{Cs}]/u;

/** What a person writes for others to read. */
export const PlainText = z
  .string()
  .trim()
  .min(1)
  .refine((text) => !UNPRINTABLE.test(text), "leave out control characters");
