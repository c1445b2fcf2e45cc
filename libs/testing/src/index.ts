export { eventually, type EventuallyOptions } from "./eventually.js";
export { freePort } from "./free-port.js";
export { type FoundInput, fuzz, type FuzzSettings, type FuzzSurface } from "./fuzz/fuzz.js";
export { inPieces, mutatedBytes, mutatedMessage } from "./fuzz/mutate.js";
export { meaningOf, type Meaning, NOTHING, OTHER_READERS } from "./fuzz/other-readers.js";
export type { RawJson } from "./fuzz/raw-json.js";
export { Random } from "./fuzz/random.js";
export { CLIENT_MESSAGES, TARGET_MESSAGES } from "./fuzz/seed-messages.js";
export {
  cancelled,
  encodeMessage,
  errorMessage,
  initialize,
  initialized,
  type InitializeOptions,
  type JsonRpcObject,
  modern,
  notification,
  ping,
  promptGet,
  request,
  resourceRead,
  resultMessage,
  toolCall,
  toolsList,
  withMeta,
} from "./json-rpc-messages.js";
export {
  type RecordedRequest,
  type ScriptableHttpOptions,
  type ScriptableHttpServer,
  startScriptableHttpServer,
} from "./scriptable-http-server.js";
export {
  type ScriptableSseOptions,
  type ScriptableSseServer,
  startScriptableSseServer,
} from "./scriptable-sse-server.js";
export { SCRIPTABLE_SERVER_PATH } from "./scriptable-server-path.js";
