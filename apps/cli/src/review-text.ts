import type { ReviewersView, ReviewView } from "@drawbridge/contracts";
import type { z } from "zod";
import type { Output } from "./output.js";
import { time } from "./times.js";

/** `2 of dba and 1 of leads`; nothing when nobody is left. */
export function reviewersText(reviewers: readonly z.infer<typeof ReviewersView>[]): string | undefined {
  if (reviewers.length === 0) return undefined;
  return reviewers.map(({ group, count }) => `${count} of ${group}`).join(" and ");
}

/** Who has said what. */
export function showVotes(output: Output, { votes }: ReviewView): void {
  if (votes.length === 0) return;
  output.line();
  output.table(
    ["WHO", "SAID", "WHEN", "COUNTS", "COMMENT"],
    votes.map(({ principal, verdict, at, counts, comment }) => [
      principal,
      verdict,
      time(at),
      counts,
      comment,
    ]),
    "",
  );
}
