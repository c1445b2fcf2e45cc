import { Injectable } from "@nestjs/common";

@Injectable()
export class RecordingRecovery {
  inFlight: (recordingId: string, exchange: number) => boolean = () => false;

  /** Tells which exchanges this process still works on. */
  setInFlight(inFlight: (recordingId: string, exchange: number) => boolean): void {
    this.inFlight = inFlight;
  }
}
