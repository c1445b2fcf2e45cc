import { spawn } from "node:child_process";

const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Tries to open the address in the user's browser. The address was printed too, so a failure is no error. */
export function openBrowser(url: URL): void {
  const [command, ...leading] = OPENERS[process.platform] ?? ["xdg-open"];
  const child = spawn(command, [...leading, url.href], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}
