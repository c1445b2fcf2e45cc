export { DamagedRecordingError, type RecordingProblem } from "./damaged-recording-error.js";
export {
  decodeEvent,
  encodeEvent,
  EventFormatError,
  MAX_EVENT_HEADER_BYTES,
  MAX_EVENT_PAYLOAD_BYTES,
} from "./event-encoding.js";
export { toExport, type ExportedEvent } from "./event-export.js";
export { EXCHANGE_ENDS, openExchanges } from "./open-exchanges.js";
export {
  EVENT_DIRECTIONS,
  EVENT_KINDS,
  isEventDirection,
  isEventKind,
  type EventAttributes,
  type EventDirection,
  type EventKind,
  type JsonValue,
  type RecordedEvent,
} from "./recorded-event.js";
export {
  createRecordingKey,
  keyEncryptionKey,
  KeyUnwrapError,
  unwrapKey,
  wrapKey,
  wrappedKeyId,
  type KeyEncryptionKey,
  type RecordingKey,
} from "./recording-key.js";
export {
  genesisHash,
  isFinal,
  MAX_RECORDED_EVENTS,
  openEvent,
  sealEvent,
  type OpenInput,
  type SealedRow,
  type SealInput,
} from "./sealed-event.js";
export {
  verifyRecording,
  type RecordingVerification,
  type VerifiableRow,
  type VerifyOptions,
} from "./verify-recording.js";
