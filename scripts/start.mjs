// `npm start`: makes the clone runnable, then runs the whole system on this machine (apps/embedded).
import { explain, prepareWorkspace, runInForeground } from "./workspace.mjs";

try {
  await prepareWorkspace();
  process.exitCode = await runInForeground(["apps/embedded/dist/main.js", ...process.argv.slice(2)]);
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
