// Loads oidc-provider without the warning it prints on every Node that does not call itself an LTS release, as the
// one from npm does not: it would be the first thing that a newcomer sees of `npm start`.
const warn = console.warn;
console.warn = () => {};
const loaded = await import("oidc-provider");
console.warn = warn;

export const { Provider, errors, interactionPolicy } = loaded;
