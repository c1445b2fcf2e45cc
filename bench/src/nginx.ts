import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { findFreePort } from "@drawbridge/embedded";
import { eventually, root, startProgram, STOP_WITHIN_MS } from "./programs.js";
import { withChildren } from "./process-usage.js";
import { SkippedError, type Subject } from "./subject.js";

const run = promisify(execFile);

/** nginx with one worker and kept-alive connections to the target: what a plain reverse proxy costs. */
export async function startNginx(targetUrl: string, scratch: string): Promise<Subject> {
  const command = await findNginx();
  const port = await findFreePort();
  const directory = await mkdtemp(path.join(scratch, "nginx-"));
  const file = path.join(directory, "nginx.conf");
  await writeFile(file, configuration(directory, port, targetUrl));
  const child = await startProgram({
    name: "nginx",
    command,
    args: ["-p", directory, "-c", file, "-e", "stderr"],
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  try {
    await eventually("the start of nginx", 10_000, async () => {
      const response = await fetch(url, { method: "DELETE" });
      return response.ok || undefined;
    });
  } catch (error) {
    await child.stop(STOP_WITHIN_MS);
    throw new SkippedError([(error as Error).message, ...child.lastLines].join("\n"), { cause: error });
  }
  return {
    name: "nginx",
    url,
    headers: {},
    parts: async () => [{ name: "nginx, master and worker", pids: await withChildren(child.pid) }],
    stop: () => child.stop(STOP_WITHIN_MS),
  };
}

function configuration(directory: string, port: number, targetUrl: string): string {
  const { host, pathname } = new URL(targetUrl);
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
${process.getuid?.() === 0 ? "user nobody nogroup;" : ""}
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${folders.map((name) => `${name}_temp_path ${directory}/${name};`).join("\n  ")}
  upstream target {
    server ${host};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location ${pathname} {
      proxy_pass http://target;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;
}

/** The machine's own, else one that is unpacked beside our dependencies: nothing is installed and no service starts. */
async function findNginx(): Promise<string> {
  const places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"];
  const cache = path.join(root, "node_modules/.cache/drawbridge/nginx");
  for (const place of [...places, path.join(cache, "usr/sbin/nginx")]) {
    if (await works(place)) return place;
  }
  try {
    await unpackPackage(cache);
  } catch (error) {
    const reason = (error as Error).message.trim().split("\n").at(-1);
    throw new SkippedError(`nginx is not installed and apt-get cannot fetch it (${reason})`, {
      cause: error,
    });
  }
  const unpacked = path.join(cache, "usr/sbin/nginx");
  if (await works(unpacked)) return unpacked;
  throw new SkippedError(
    "nginx is not installed, and the fetched one does not run here: apt-get install nginx",
  );
}

async function works(file: string): Promise<boolean> {
  try {
    await access(file);
    await run(file, ["-v"]);
    return true;
  } catch {
    return false;
  }
}

async function unpackPackage(cache: string): Promise<void> {
  await mkdir(path.dirname(cache), { recursive: true });
  const partial = await mkdtemp(`${cache}.partial-`);
  try {
    await run("apt-get", ["download", "nginx"], { cwd: partial, timeout: 60_000 });
    const [archive] = (await readdir(partial)).filter((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get fetched nothing");
    await run("dpkg-deb", ["-x", archive, "."], { cwd: partial });
    await rm(cache, { recursive: true, force: true });
    await rename(partial, cache);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
