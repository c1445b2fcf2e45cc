import type { IncomingMessage, ServerResponse } from "node:http";
import type { Interaction, InteractionResults, Provider } from "oidc-provider";
import type { DemoUser } from "./demo-users.js";
import { consentPage, signInPage } from "./identity-pages.js";

/** Our own command line; it needs no consent. Every other client has registered itself. */
export const FIRST_PARTY_CLIENT = "drawbridge-cli";
const MAX_FORM_BYTES = 4096;

export interface InteractionContext {
  provider: Provider;
  users: readonly DemoUser[];
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Signs people in and asks for consent. There are no passwords: whoever reaches the demo may be any of its users,
 * and a `login_hint` chooses one without a page. That is why it listens on 127.0.0.1 only.
 */
export async function handleInteraction(context: InteractionContext): Promise<void> {
  const { provider, request, response } = context;
  const interaction = await provider.interactionDetails(request, response);
  const form = request.method === "POST" ? await readForm(request) : undefined;
  const result =
    interaction.prompt.name === "login"
      ? signIn(context, interaction, form)
      : await consent(context, interaction, form);
  if (result === undefined) return showPage(context, interaction);
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

function signIn(
  { users }: InteractionContext,
  interaction: Interaction,
  form: URLSearchParams | undefined,
): InteractionResults | undefined {
  const chosen = form?.get("user") ?? interaction.params["login_hint"];
  const user = users.find(({ username, email }) => chosen === username || chosen === email);
  return user && { login: { accountId: user.username } };
}

async function consent(
  { provider }: InteractionContext,
  interaction: Interaction,
  form: URLSearchParams | undefined,
): Promise<InteractionResults | undefined> {
  if (form?.get("answer") === "deny") {
    return { error: "access_denied", error_description: "the user did not allow access" };
  }
  const clientId = String(interaction.params["client_id"]);
  if (clientId !== FIRST_PARTY_CLIENT && form?.get("answer") !== "allow") return undefined;

  return { consent: { grantId: await saveGrant(provider, interaction, clientId) } };
}

async function saveGrant(provider: Provider, interaction: Interaction, clientId: string): Promise<string> {
  const accountId = interaction.session?.accountId;
  if (accountId === undefined) throw new Error("consent was asked before sign-in");
  const existing =
    interaction.grantId === undefined ? undefined : await provider.Grant.find(interaction.grantId);
  const grant = existing ?? new provider.Grant({ accountId, clientId });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = interaction.prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  if (missingOIDCScope !== undefined) grant.addOIDCScope(missingOIDCScope.join(" "));
  if (missingOIDCClaims !== undefined) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  return grant.save();
}

async function showPage(
  { provider, users, response }: InteractionContext,
  interaction: Interaction,
): Promise<void> {
  const clientId = String(interaction.params["client_id"]);
  const client = await provider.Client.find(clientId);
  const clientName = client?.clientName ?? clientId;
  const action = `/interaction/${interaction.uid}`;
  const html =
    interaction.prompt.name === "login"
      ? signInPage(action, users, clientName)
      : consentPage(action, clientName, interaction.session?.accountId ?? "");
  response
    .writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "x-frame-options": "DENY",
    })
    .end(html);
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = "";
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_FORM_BYTES) throw new Error("the form is too large");
  }
  return new URLSearchParams(text);
}
