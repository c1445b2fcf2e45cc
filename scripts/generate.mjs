// Makes the code that is generated: the gRPC messages from proto/ (committed, checked for drift by
// `pnpm check`) and the Prisma client from prisma/ (not committed; made by every build).
import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = path.join(root, "node_modules", ".bin");

function run(command, args, env = {}) {
  execFileSync(path.join(bin, command), args, {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}`, ...env },
  });
}

run("buf", ["generate"]);
// The schema engine is a download that generation does not use; any executable satisfies the check.
run("prisma", ["generate", "--schema", "prisma/schema.prisma"], { PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true" });
