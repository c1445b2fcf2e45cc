import { z } from "zod";

/** Names of targets, agents, agent groups and policies: what fits into a URL and a log line unchanged. */
export const ResourceName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    "use 1 to 63 lower case letters, digits and inner hyphens",
  );

export const Timestamp = z.iso.datetime({ offset: true });
