import { z } from "zod";
import { Timestamp } from "./names.js";
import { pageOf } from "./pages.js";

/** What is suspicious about a tool's definition. */
export const TOOL_FLAGS = {
  hidden_characters: "invisible characters, which a model reads and a person does not see",
  confusable_characters: "letters that look like others, of another alphabet",
  collides: "another tool of the target has this name, or one that looks like it",
  too_large: "the definition is larger than 256 KiB and is not kept",
} as const;
export type ToolFlag = keyof typeof TOOL_FLAGS;

const Digest = z.string().regex(/^[0-9a-f]{64}$/, "use the digest as `drawbridge tools show` prints it");

/** A tool of a target as it was first shown or last accepted. While it shows another definition nobody may call it. */
export const PinnedToolView = z.object({
  target: z.string(),
  name: z.string(),
  state: z.enum(["accepted", "quarantined"]),
  flags: z.array(z.string()),
  acceptedDigest: Digest.optional(),
  acceptedAt: Timestamp.optional(),
  acceptedBy: z.string().optional().meta({ description: "Absent when it was the first one shown" }),
  shownDigest: Digest,
  shownSince: Timestamp,
  firstSeenAt: Timestamp,
});
export type PinnedToolView = z.infer<typeof PinnedToolView>;
export const PinnedToolPage = pageOf(PinnedToolView);

/** With both definitions, masked JSON, to compare. */
export const PinnedToolDetail = PinnedToolView.extend({
  accepted: z.string().optional(),
  shown: z.string(),
});
export type PinnedToolDetail = z.infer<typeof PinnedToolDetail>;

/** The digest says which definition is meant: the one looked at, not one that came since. */
export const AcceptTool = z.strictObject({ digest: Digest });
export type AcceptTool = z.infer<typeof AcceptTool>;
