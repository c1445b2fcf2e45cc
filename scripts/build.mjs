// `npm run build`: installs, generates and compiles what is not up to date, and starts nothing.
import { explain, prepareWorkspace } from "./workspace.mjs";

try {
  await prepareWorkspace();
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
