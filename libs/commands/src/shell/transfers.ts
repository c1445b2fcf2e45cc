import type { Analysis, Call } from "./analysis.js";
import { type Field, literalField } from "./field.js";
import { hasOption, hasUncertainOption, valuesOf } from "./options.js";
import { judgeWrittenPath } from "./paths.js";

const CURL_VALUED = `o X d F T H A e u b c D m w x r C K E U z Y y P Q t output request data data-raw data-binary
  data-urlencode json form header user-agent referer user cookie cookie-jar dump-header max-time write-out proxy range
  connect-timeout retry retry-delay retry-max-time cacert cert key resolve url max-redirs interface limit-rate`;

const CURL_WRITES = `d data data-raw data-binary data-ascii data-urlencode json F form form-string T upload-file Q quote
  O remote-name remote-name-all c cookie-jar D dump-header trace trace-ascii libcurl stderr hsts alt-svc etag-save output-dir`;

const CURL_FILES =
  "o output D dump-header c cookie-jar output-dir trace trace-ascii libcurl stderr hsts alt-svc etag-save";

/** curl: a GET reads; bodies, uploads and other methods write at the other end, -o writes here. */
export function judgeCurl(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  const { words } = call;
  found.mark("network");
  if (hasUncertainOption(words, CURL_VALUED)) found.mark("dynamic");
  if (hasOption(words, "K config engine netrc-file", CURL_VALUED)) found.mark("runsCode");
  if (hasOption(words, CURL_WRITES, CURL_VALUED)) found.mark("writes");
  for (const file of valuesOf(words, CURL_FILES)) judgeWrittenPath(analysis, file);
  for (const method of valuesOf(words, "X request")) judgeMethod(analysis, method);
  const formats = valuesOf(words, "w write-out");
  if (formats.some((format) => format.text?.includes("%output") !== false)) found.mark("writes");
  if (words.some((word) => /^(?:gopher|dict|telnet|ldap|smb)/i.test(word.prefix))) found.mark("destructive");
}

function judgeMethod(analysis: Analysis, method: Field): void {
  const name = method.text?.toUpperCase();
  if (name === "GET" || name === "HEAD" || name === "OPTIONS") return;
  analysis.found.mark("writes");
  if (name === undefined || name === "DELETE" || name === "PURGE") analysis.found.mark("destructive");
}

const WGET_VALUED =
  "o a i O t T w Q P U l A R D I X e output-document output-file tries timeout user-agent header directory-prefix";

/** wget: it writes what it fetches, unless to the standard output. */
export function judgeWget(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  const { words } = call;
  found.mark("network");
  if (hasUncertainOption(words, WGET_VALUED)) found.mark("dynamic");
  if (hasOption(words, "e execute use-askpass config rejected-log", WGET_VALUED)) found.mark("runsCode");
  if (hasOption(words, "post-data post-file body-data body-file method", WGET_VALUED)) found.mark("writes");
  if (hasOption(words, "delete-after", WGET_VALUED)) found.mark("destructive");
  for (const file of valuesOf(words, "o a output-file append-output P directory-prefix"))
    judgeWrittenPath(analysis, file);
  if (words.some((word) => word.text === "--spider")) return;
  const outputs = valuesOf(words, "O output-document");
  if (outputs.length === 0) found.mark("writes");
  for (const output of outputs)
    judgeWrittenPath(analysis, output.text === "-" ? literalField("/dev/stdout") : output);
}

const TAR_CODE =
  "I F to-command checkpoint-action use-compress-program rsh-command rmt-command info-script new-volume-script";
const TAR_VALUED =
  "f C T X b g H K L N V I F file directory files-from exclude exclude-from strip-components transform checkpoint";

const TAR_REMOVES = "remove-files delete recursive-unlink unlink-first overwrite P absolute-names";

/** tar: `t` lists, the rest writes; several of its options run programs. */
export function judgeTar(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  const words = withDash(call.words);
  if (hasUncertainOption(words, TAR_VALUED)) found.mark("dynamic");
  if (hasOption(words, TAR_CODE)) found.mark("runsCode");
  if (hasOption(words, TAR_REMOVES, TAR_VALUED)) found.mark("destructive");
  if (isListing(words)) return;
  found.mark("writes");
  for (const folder of valuesOf(words, "C directory")) judgeWrittenPath(analysis, folder);
  // An archive may be written onto a disk, and its name may stand anywhere among the words of the old style.
  for (const word of words) if (word.prefix.startsWith("/dev/")) judgeWrittenPath(analysis, word);
}

/** The first word may be options without a dash, as in "tar xzf". */
function withDash(words: readonly Field[]): readonly Field[] {
  const [first, ...others] = words;
  return /^[A-Za-z]+$/.test(first?.text ?? "") ? [literalField(`-${first?.text}`), ...others] : words;
}

function isListing(words: readonly Field[]): boolean {
  const listing = words.some((word) => word.text === "--list" || /^-[a-zA-Z]*t/.test(word.text ?? ""));
  return listing && !hasOption(words, "x c r u A extract get create append update catenate concatenate");
}
