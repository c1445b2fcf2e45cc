// `node --import` this to run TypeScript sources directly: Node strips types, but does not read `./a.js` as `./a.ts`.
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, nextResolve) {
    const isOwnFile =
      specifier.startsWith(".") && specifier.endsWith(".js") && String(context.parentURL).endsWith(".ts");
    return nextResolve(isOwnFile ? specifier.replace(/\.js$/, ".ts") : specifier, context);
  },
});
