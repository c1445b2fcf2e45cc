// Makes the code that is generated: `protocol`, the gRPC messages from proto/ (committed, checked for drift by
// `npm run check`), and `prisma`, the Prisma client (not committed; made by every build). Both when none is named.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { bin, root, toolEnvironment } from "./workspace.mjs";

const GENERATORS = {
  protocol: () => run("buf", ["generate"]),
  prisma: () =>
    run("prisma", ["generate", "--schema", "prisma/schema.prisma"], {
      // The schema engine is a download that generation does not use; any executable satisfies the check.
      PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true",
      PRISMA_HIDE_UPDATE_MESSAGE: "1",
      CHECKPOINT_DISABLE: "1",
    }),
};

const named = process.argv.slice(2);
for (const name of named.length > 0 ? named : Object.keys(GENERATORS)) {
  if (!(name in GENERATORS)) throw new Error(`unknown generator "${name}"; use protocol or prisma`);
  GENERATORS[name]();
}

function run(command, args, env = {}) {
  execFileSync(path.join(bin, command), args, {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...toolEnvironment(), ...env },
  });
}
