import type { Analysis, Call } from "./analysis.js";
import { couldBeOption } from "./field.js";

/**
 * Programs that run code or change the machine, but for a few calls that only look: those whose words, all of them and
 * as they are written, match. Nothing else about such a call may be uncertain.
 */
const LOOKS = new Map<string, RegExp>([
  // With -c, -g, -p and the like they load what somebody names: not here.
  ["nginx", /^-(?:[tTq]+|[vV])(?: -[tTq]+)*$/],
  ...["apachectl", "apache2ctl", "httpd", "apache2"].map((name): [string, RegExp] => [
    name,
    /^(?:configtest|-[tSvVMl])$/,
  ]),
  ["sshd", /^-[tT]$/],
  ["visudo", /^-c$/],
  ["ssh", /^-V$/],
  ["php", /^(?:-[mi]|-l [\w./][\w./-]*)$/],
  ["node", /^(?:-c|--check) [\w./][\w./-]*$/],
  // A second operand would be written.
  ["python", /^-m json\.tool(?: [\w./][\w./-]*)?$/],
  ["python3", /^-m json\.tool(?: [\w./][\w./-]*)?$/],
  [
    "tsc",
    /^(?=.*--noEmit(?: |$))(?:(?:--noEmit|--pretty|--strict|--skipLibCheck|-p [\w./][\w./-]*)(?: |$))+$/,
  ],
  ["service", /^(?:--status-all|[\w@][\w@.-]* status)$/],
  // Reads only, and leads out of it by its commands: there are none where it is not fed.
  ["view", /^[\w./][\w./-]*$/],
  ...[
    "rm",
    "rmdir",
    "unlink",
    "shred",
    "truncate",
    "chmod",
    "chown",
    "chgrp",
    "mkfs",
    "kill",
    "killall",
    "pkill",
  ].map((name): [string, RegExp] => [name, /^--(?:help|version)$/]),
]);

/** Whether a call only looks, or asks a program for help, where most calls of that program do more. */
export function onlyLooks(call: Call): boolean {
  const pattern = LOOKS.get(call.name);
  if (pattern === undefined || call.feed.fed) return false;
  const texts = call.words.map((word) => word.text ?? "\0");
  return texts.every((text) => text !== "" && !/\s/.test(text)) && pattern.test(texts.join(" "));
}

/** service NAME start and its like; the name of a service is no path to something else. */
export function judgeService(analysis: Analysis, call: Call): void {
  const [name, action, ...others] = call.words.map((word) => word.text);
  const isPlain = others.length === 0 && /^[\w@][\w@.-]*$/.test(name ?? "");
  analysis.found.mark("writes");
  if (!isPlain || !/^(?:start|restart|reload|force-reload|try-restart|stop)$/.test(action ?? ""))
    analysis.found.mark("runsCode");
  else if (action === "stop") analysis.found.mark("destructive");
}

/** stty shows its settings, or changes them. */
export function judgeStty(analysis: Analysis, call: Call): void {
  const shows = call.words.every((word) => /^(?:-[ag]|--all|--save|size|speed)$/.test(word.text ?? ""));
  if (!shows) analysis.found.mark("writes");
  if (call.words.some((word) => couldBeOption(word) && word.text === undefined))
    analysis.found.mark("dynamic");
}
