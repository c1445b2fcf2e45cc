import type { DemoUser } from "./demo-users.js";

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Client names and the like come from strangers: nothing reaches a page unescaped. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** A whole page; `body` is HTML. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Drawbridge demo</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem; color-scheme: light dark }
  button { font: inherit; padding: .5rem 1rem; margin: .25rem 0; cursor: pointer }
  li { list-style: none } ul { padding: 0 }
</style>
<h1>${escapeHtml(title)}</h1>
${body}
<p><small>This is the demo's identity provider. It asks for no password; never use it for anything real.</small></p>
</html>
`;
}

export function signInPage(action: string, users: readonly DemoUser[], clientName: string): string {
  const choices = users.map(
    ({ username, groups }) =>
      `<li><button name="user" value="${escapeHtml(username)}">${escapeHtml(username)}</button> ${escapeHtml(groups.join(", "))}</li>`,
  );
  return page(
    "Sign in",
    `<p>to go on to <b>${escapeHtml(clientName)}</b> as</p>
<form method="post" action="${escapeHtml(action)}"><ul>${choices.join("\n")}</ul></form>`,
  );
}

export function consentPage(action: string, clientName: string, username: string): string {
  return page(
    "Allow access?",
    `<p><b>${escapeHtml(clientName)}</b> wants to use MCP servers through Drawbridge as <b>${escapeHtml(username)}</b>.</p>
<form method="post" action="${escapeHtml(action)}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button>
</form>`,
  );
}
