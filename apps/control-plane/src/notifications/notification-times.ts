import { Injectable } from "@nestjs/common";
import { Clock } from "../platform/clock.js";
import { Jobs } from "../platform/jobs.js";

/** The job that makes a delivery happen on time. */
export const NOTIFICATION_JOB = "notification";

/** When it is, and when something is to be done. */
@Injectable()
export class NotificationTimes {
  constructor(
    readonly clock: Clock,
    readonly jobs: Jobs,
  ) {}
}
