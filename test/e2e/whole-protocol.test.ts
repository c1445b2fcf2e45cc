import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { freePort } from "@drawbridge/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Program } from "./program.js";
import { programs } from "./programs.js";
import { applyFiles, realCommands, startEverything } from "./real-targets.js";
import { SDK_GENERATIONS, type ServerRequestHandlers } from "./sdk-client.js";
import { System } from "./system.js";

const ASKED = ["sampling/createMessage", "elicitation/create", "roots/list"];
const EVERYTHING = [programs.everythingServer, "stdio"];
/** In a page that a fetch server reads. */
const PAGE_SECRET = "jane.roe@example.com";

let system: System;
let everything: Program | undefined;
let pages: Server;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "drawbridge-files-"));
  pages = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<h1>Status</h1><p>All is well, says ${PAGE_SECRET}.</p>`);
  }).listen(0, "127.0.0.1");
  await once(pages, "listening");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/mcp`;
  system = await System.start({
    allow: {
      commands: [
        ...realCommands(folder),
        { command: programs.node, arguments: EVERYTHING },
        { command: programs.node, arguments: [programs.fetchServer] },
      ],
      urls: [url],
    },
  });
  everything = await startEverything(port, system.directory);
  await applyFiles(system, folder);
  await system.applyTarget("everything-http", { http: { url } });
  await system.applyTarget("everything-stdio", {
    stdio: { command: programs.node, arguments: EVERYTHING },
  });
  await system.applyTarget("fetch", {
    stdio: { command: programs.node, arguments: [programs.fetchServer] },
  });
  await system.allow("files");
  await system.allow("fetch");
  await system.allow("everything-http", { methods: ASKED });
  await system.allow("everything-stdio", { methods: ASKED });
});
afterAll(async () => {
  await everything?.stop();
  await system?.stop();
  pages?.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(["everything-http", "everything-stdio"])("what %s asks its client", (target) => {
  test.each(SDK_GENERATIONS)("reaches $name, and the answers come back", async ({ connect }) => {
    const prompts: string[] = [];
    const elicited: { message: string; url?: string }[] = [];
    const handlers: ServerRequestHandlers = {
      sample: (prompt) => {
        prompts.push(prompt);
        return "sampled by the end-to-end test";
      },
      elicit: (request) => {
        elicited.push(request);
        return { name: "Grace Hopper", check: true };
      },
      roots: [{ uri: "file:///srv/project", name: "project" }],
    };
    const client = await connect(await system.door(target), handlers);
    try {
      const sampled = await client.callTool("trigger-sampling-request", {
        prompt: "what is 6 × 7",
        maxTokens: 10,
      });
      expect(sampled.text).toContain("sampled by the end-to-end test");
      expect(prompts.join()).toContain("what is 6 × 7");

      const form = await client.callTool("trigger-elicitation-request");
      expect(form.text).toContain("Grace Hopper");
      expect(elicited.at(-1)?.message).toContain("provide inputs");

      const url = await client.callTool("trigger-url-elicitation", { url: "https://example.com/consent" });
      expect(url.isError).toBe(false);
      expect(elicited.at(-1)?.url).toBe("https://example.com/consent");

      const roots = await client.callTool("get-roots-list");
      expect(roots.text).toContain("file:///srv/project");
    } finally {
      await client.close();
    }
  });
});

test("what a target asks is refused where no rule lets it ask", async () => {
  await system.allow("everything-stdio");
  const [generation] = SDK_GENERATIONS;
  let asked = 0;
  const count = () => {
    asked += 1;
    return "never";
  };
  const handlers = { sample: count, elicit: () => ({ asked: count() }), roots: [] };
  const client = await generation?.connect(await system.door("everything-stdio"), handlers);
  try {
    const sampled = await client?.callTool("trigger-sampling-request", { prompt: "leak", maxTokens: 10 });
    expect(sampled?.isError).toBe(true);
    expect(asked).toBe(0);
  } finally {
    await client?.close();
    await system.allow("everything-stdio", { methods: ASKED });
  }
});

test.each(SDK_GENERATIONS)("$name reads a web page through a fetch server, masked", async ({ connect }) => {
  const client = await connect(await system.door("fetch"));
  try {
    const url = `http://127.0.0.1:${(pages.address() as AddressInfo).port}/`;
    const page = await client.callTool("fetch_markdown", { url });
    expect(page.text).toContain("All is well");
    expect(page.text).toContain("[REDACTED:email]");
    expect(page.text).not.toContain(PAGE_SECRET);
  } finally {
    await client.close();
  }
});

describe("the command line of the MCP Inspector", () => {
  const inspect = async (target: string, ...args: string[]) => {
    const { url, token } = await system.door(target);
    const inspector = new Program({
      name: "inspector",
      command: programs.node,
      args: [
        programs.inspector,
        "--cli",
        url,
        "--transport",
        "http",
        "--header",
        `Authorization: Bearer ${token}`,
        ...args,
      ],
      cwd: system.directory,
      env: { PATH: path.dirname(programs.node), HOME: system.directory },
    });
    return inspector.run();
  };

  test("lists the tools", async () => {
    const { code, output } = await inspect("files", "--method", "tools/list");
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain("read_text_file");
  });

  test("calls one", async () => {
    const file = path.join(folder, "welcome.md");
    const call = ["--method", "tools/call", "--tool-name", "read_text_file", "--tool-arg", `path=${file}`];
    const { code, output } = await inspect("files", ...call);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain("# Welcome");
  });

  test("reads a resource and gets a prompt", async () => {
    await system.allow("everything-stdio", { methods: [...ASKED, "resources/read", "prompts/get"] });
    const read = await inspect("everything-stdio", "--method", "resources/list");
    expect(read).toMatchObject({ code: 0 });
    expect(read.output).toContain("uri");
    const get = ["--method", "prompts/get", "--prompt-name", "simple-prompt"];
    const prompt = await inspect("everything-stdio", ...get);
    expect(prompt).toMatchObject({ code: 0 });
    expect(prompt.output).toContain("messages");
  });
});
