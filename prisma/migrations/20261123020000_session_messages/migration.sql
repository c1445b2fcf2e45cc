-- What a target said outside of any request: a client that resumes its event stream hears it again. Rare rows, looked for
-- in long recordings. Kinds as in recordings/event-kind.ts: 3 notification, 4 server_request.
CREATE INDEX "recording_event_session_idx" ON "recording_event"("recording_id", "index")
  WHERE "exchange" = 0 AND "kind" IN (3, 4);
