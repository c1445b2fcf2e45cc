import { Injectable } from "@nestjs/common";
import { Database } from "../../platform/database.js";
import { RecordingReader, RecordingWriter } from "../../recordings/index.js";
import { Recorder } from "../traffic/recorder.js";
import { SessionsRepository } from "./sessions.repository.js";

/** Where sessions and what they say are kept. */
@Injectable()
export class SessionStorage {
  constructor(
    readonly database: Database,
    readonly sessions: SessionsRepository,
    readonly recorder: Recorder,
    readonly writer: RecordingWriter,
    readonly reader: RecordingReader,
  ) {}
}
