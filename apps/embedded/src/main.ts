import { launch } from "./launch.js";
import { type Options, USAGE, parseOptions } from "./options.js";
import { root } from "./programs.js";
import { Progress } from "./progress.js";
import { Shutdown } from "./shutdown.js";

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2), process.env, root);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main(options: Options): Promise<void> {
  const progress = new Progress(process.stdout);
  const shutdown = new Shutdown((text) => progress.say(text));
  process.on("SIGINT", () => shutdown.request(130));
  process.on("SIGTERM", () => shutdown.request(143));
  process.on("SIGHUP", () => shutdown.request(129));
  // scripts/start.mjs holds the other end of a channel: when it is gone, so are we.
  process.on("disconnect", () => shutdown.request(1));

  try {
    process.stdout.write(await launch(options, progress, shutdown));
  } catch (error) {
    if (!shutdown.isUnderWay) process.stderr.write(`\n${(error as Error).message}\n`);
    await shutdown.run();
    process.exit(1);
  }
}

const options = readOptions();
if (options.help) process.stdout.write(USAGE);
else await main(options);
