import type { Analysis } from "./analysis.js";
import type { Field } from "./field.js";
import type { Effect } from "./found.js";

/** What it means to write to a path of these. The first that matches decides. */
const SENSITIVE: readonly (readonly [RegExp, readonly Effect[]])[] = [
  [
    /^\/dev\/(?:null|stdout|stderr|stdin|tty|fd(?:\/.*)?|zero|full|random|urandom|pts\/\d+|ptmx|shm(?:\/.*)?)$/,
    [],
  ],
  [/^\/dev\/(?:tcp|udp)\//, ["network", "sendsData"]],
  [/^\/dev(?:\/|$)/, ["destructive"]],
  [/^\/proc(?:\/|$)|^\/sys(?:\/|$)|^\/boot(?:\/|$)/, ["destructive", "privileges"]],
  [/^\/etc\/(?:passwd|shadow|group|gshadow|sudoers|pam|ssh|security|doas)/, ["privileges", "destructive"]],
  [
    /^\/(?:etc|usr|bin|sbin|lib\w*|opt|root|System|Library|var\/spool\/cron|var\/lib)(?:\/|$)/,
    ["destructive"],
  ],
  [/^\/$/, ["destructive"]],
  [/(?:^|\/)\.ssh(?:\/|$)|(?:^|\/)authorized_keys/, ["privileges"]],
  [/(?:^|\/)\.(?:gnupg|aws|kube|docker|netrc|pgpass|my\.cnf|npmrc|pypirc|gitconfig)(?:\/|$)/, ["privileges"]],
  [
    /(?:^|\/)\.(?:bash|zsh|ksh|fish|login|logout|profile|kshrc|cshrc|tcshrc|inputrc|xinitrc|xsession|vim|emacs|nanorc|screenrc|tmux|lesskey|psqlrc|irbrc|pythonrc|pam_environment|envrc)\w*(?:\/|$)/,
    ["runsCode"],
  ],
  [/(?:^|\/)\.git\/(?:hooks|config|modules|info\/attributes)/, ["runsCode"]],
  [/(?:^|\/)\.(?:config|local)\/(?:autostart|systemd|fish|nvim|git|bin)(?:\/|$)/, ["runsCode"]],
];

/** Marks what it means that a file of this name is written. */
export function judgeWrittenPath(analysis: Analysis, field: Field): void {
  const { found } = analysis;
  found.mark("writes");
  if (field.text !== undefined) {
    found.mark(...effectsOn(field.text));
    // A file whose name is an option is there for a glob of a later command: "rm *", "tar c *".
    if (/(?:^|\/)-[^/]*$/.test(field.text) && field.text !== "-") found.mark("dynamic");
  } else if (isUncertainPath(field)) {
    found.mark("dynamic");
  } else {
    found.mark(...effectsOn(field.prefix));
  }
}

/** A name that begins or ends with something certain, or that a glob of a folder gave, is taken for an ordinary file. */
function isUncertainPath(field: Field): boolean {
  return field.prefix === "" && !field.operand && !/\.\w+$/.test(field.suffix);
}

function effectsOn(path: string): readonly Effect[] {
  const plain = normalised(path);
  return SENSITIVE.find(([pattern]) => pattern.test(plain))?.[1] ?? [];
}

/** Dots, double slashes and the home folder do not hide a path. */
function normalised(path: string): string {
  const parts: string[] = [];
  // Home is two folders below the root, so that ~/../../etc is found out.
  for (const part of path.replace(/^~[^/]*/, "/home/~").split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  const folder = parts.join("/");
  if (/^[/~]/.test(path)) return `/${folder.replace(/^(?:\.\.\/)+/, "")}`;
  // Up and up again ends at the root.
  return folder.replace(/^(?:\.\.\/){2,}/, "/");
}
