// `node --import` this to run TypeScript sources directly: Node strips types, but does not read `./a.js` as `./a.ts`.
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (!specifier.startsWith(".") || !String(context.parentURL).endsWith(".ts")) {
      return nextResolve(specifier, context);
    }
    return nextResolve(specifier.replace(/\.js$/, ".ts"), context);
  },
});
