import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import pg from "pg";
import type { Logger } from "pino";
import { AppModule } from "./app.module.js";
import { type Config, ConfigError, loadConfig } from "./config.js";
import { EventStreamsEndpoint } from "./event-streams/index.js";
import { GatewayEndpoint } from "./gateway/index.js";
import { prepareApi } from "./platform/api.js";
import { isDatabaseUnavailable } from "./platform/database.js";
import { createHttpServer, listen } from "./platform/http-server.js";
import { Jobs } from "./platform/jobs.js";
import { createLogger, NestLogger } from "./platform/logger.js";
import { migrate } from "./platform/migrations.js";

const DATABASE_PATIENCE_MS = 60_000;
const SHUTDOWN_PATIENCE_MS = 10_000;

/** Starts the control plane: settings, database, features, then the listeners. Ends the process when it cannot. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const logger = createLogger(config.logLevel);
  await waitForDatabase(config, logger);
  const migrations = await migrate(config.migrationDatabaseUrl);
  if (migrations.length > 0) logger.info({ migrations }, "migrations applied");

  const app = await NestFactory.create<NestExpressApplication>(AppModule, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  prepareApi(app);
  await app.init();
  await app.get(Jobs).start();

  const gateway = app.get(GatewayEndpoint);
  const streams = app.get(EventStreamsEndpoint);
  const server = createHttpServer(gateway, app.getHttpAdapter().getInstance(), streams);
  server.maxConnections = config.maxConnections;
  const { address, port } = await listen(server, config.listen);
  logger.info({ address, port, publicUrl: config.publicUrl }, "the control plane is ready");

  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "stopping");
    setTimeout(() => process.exit(1), SHUTDOWN_PATIENCE_MS).unref();
    server.close();
    await gateway.drain();
    await app.close();
    server.closeAllConnections();
    process.exit(0);
  };
  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
}

/** A database that starts together with us may need a moment; one that refuses us will not change its mind. */
async function waitForDatabase(config: Config, logger: Logger): Promise<void> {
  const { host } = new URL(config.databaseUrl);
  const deadline = Date.now() + DATABASE_PATIENCE_MS;
  for (let said = false; ;) {
    const client = new pg.Client({
      connectionString: config.migrationDatabaseUrl,
      connectionTimeoutMillis: 5_000,
    });
    try {
      await client.connect();
      return;
    } catch (error) {
      if (!isDatabaseUnavailable(error) || Date.now() > deadline) {
        throw new Error(
          `the database at ${host} cannot be used: ${(error as Error).message}; start it or correct DATABASE_URL`,
          { cause: error },
        );
      }
      if (!said) logger.warn({ host }, "waiting for the database");
      said = true;
    } finally {
      await client.end().catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`drawbridge control plane: ${message}\n`);
  if (!(error instanceof ConfigError) && error instanceof Error && error.stack)
    process.stderr.write(`${error.stack}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
});
