import { Injectable } from "@nestjs/common";

/** Calls its listeners in every process when a grant begins or ends by its time, within 100 ms. */
@Injectable()
export class GrantEnds {
  /** What it throws is logged. */
  onEnd(_listener: () => Promise<void>): void {
    throw new Error("not there yet");
  }
}
