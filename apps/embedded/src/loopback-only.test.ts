import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, test } from "vitest";

test.each(["server.listen(0, report)", "server.listen({ port: 0 }, report)", "server.listen('0', report)"])(
  "%s listens on 127.0.0.1",
  async (listen) => {
    const script = `const server = require("node:http").createServer();
      const report = () => { console.log(server.address().address); server.close(); };
      ${listen};`;
    const preload = path.join(import.meta.dirname, "loopback-only.ts");
    const child = spawn(process.execPath, ["--import", preload, "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output] = (await once(child.stdout, "data")) as [Buffer];
    expect(output.toString().trim()).toBe("127.0.0.1");
  },
);
