// Makes the clone runnable and nothing else. What it says goes to stderr: `npm run bench -- --json` is read by programs.
import { explain, prepareWorkspace } from "./workspace.mjs";

process.stdout.write = process.stderr.write.bind(process.stderr);
try {
  await prepareWorkspace();
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
