import { Injectable } from "@nestjs/common";

/** How long requests wait for people; one provider, so that tests need not wait for as long. In milliseconds. */
@Injectable()
export class LegTimes {
  /** SDKs of both eras give up a request after 60 s. */
  repeatMs = 50_000;
  requestStateMs = 45_000;
  progressEveryMs = 15_000;
  /** Before a token expires its leg ends, so that whoever waits comes back with a new one. */
  beforeTokenExpiresMs = 5_000;
  /** Until something that did not answer is asked again. */
  lookAgainMs = 1_000;
}
