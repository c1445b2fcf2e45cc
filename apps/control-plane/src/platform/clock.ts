import { Injectable } from "@nestjs/common";

/** The time, so that a test can hold it. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }
}
