import type { Call } from "./analysis.js";
import type { Field } from "./field.js";
import { hasOption, operandsOf, valuesOf } from "./options.js";

/** Whether a call may send files, or what it is fed, to another host. */
export function sendsData(call: Call): boolean {
  return SENDERS.get(call.name)?.(call) ?? false;
}

const SENDERS = new Map<string, (call: Call) => boolean>([
  ["curl", curlSends],
  [
    "wget",
    ({ words }) => hasOption(words, "post-file body-file") || isUncertain(words, "post-data body-data"),
  ],
  ...["nc", "ncat", "netcat"].map((name): [string, typeof isFed] => [name, isFed]),
  ...["http", "https", "xh"].map((name): [string, typeof httpieSends] => [name, httpieSends]),
  ["scp", copiesAway],
  ["rsync", copiesAway],
  ["mail", isFed],
]);

const CURL_DATA = "d data data-ascii data-binary data-urlencode json F form";

/** curl: a text that stands there is a request like others; `@file`, `<file` and what is not certain is data. */
function curlSends({ words }: Call): boolean {
  if (hasOption(words, "T upload-file")) return true;
  return valuesOf(words, CURL_DATA).some(({ text }) => text === undefined || /^@|=[@<]|^[^=&{]*@/.test(text));
}

function isUncertain(words: readonly Field[], names: string): boolean {
  return valuesOf(words, names).some(({ text }) => text === undefined);
}

function isFed({ feed }: Call): boolean {
  return feed.fed;
}

/** httpie: `name@file` is an upload. */
function httpieSends({ words, feed }: Call): boolean {
  return feed.fed || words.some(({ text }) => text === undefined || /^[^:/=]+@|=@/.test(text));
}

/** HOST:PATH, or a rsync:// address, as the last operand; a path with a slash before the colon is one of here. */
function copiesAway({ words }: Call): boolean {
  const target = operandsOf(words, "c i l P B T f e M exclude include port timeout").at(-1);
  return target !== undefined && (/^[^/]*:|^rsync:/.test(target.prefix) || isUnknown(target));
}

function isUnknown({ text, prefix, operand }: Field): boolean {
  return text === undefined && prefix === "" && !operand;
}
