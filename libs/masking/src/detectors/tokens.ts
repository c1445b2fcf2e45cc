import {
  ALNUM,
  BASE64,
  BASE64URL,
  characters,
  HEX,
  isIn,
  LOWER_ALNUM,
  UPPER_ALNUM,
  type CharacterSet,
} from "../characters.js";
import type { Kind } from "../profile.js";
import type { HeadDetector } from "./detector.js";

/** One vendor's published shape: a head, then so many characters of an alphabet. */
interface TokenShape {
  readonly head: string;
  readonly alphabet: CharacterSet;
  /** Shortest and longest text after the head. Checksums are never asked for: newer or cut tokens must not pass. */
  readonly min: number;
  readonly max?: number;
  /** The vendor's page that says so. */
  readonly source: string;
  readonly kind?: Kind;
}

const SLACK = characters("0-9", "A-Z", "a-z", "-");
const DOTTED = characters("0-9", "A-Z", "a-z", "_.-");
const LONG = 512;

const GITHUB =
  "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github";
const GITLAB = "https://docs.gitlab.com/security/tokens/#token-prefixes";
const STRIPE = "https://docs.stripe.com/keys";
const AWS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html";
const SLACK_PAGE = "https://docs.slack.dev/authentication/tokens";
const GRAFANA = "https://grafana.com/docs/grafana/latest/administration/service-accounts/";
const DIGITALOCEAN = "https://docs.digitalocean.com/reference/api/create-personal-access-token/";
const SHOPIFY = "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens";
const VAULT = "https://developer.hashicorp.com/vault/docs/concepts/tokens";
const NEWRELIC = "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/";
const TAILSCALE = "https://tailscale.com/kb/1277/key-prefixes";
const LINEAR = "https://linear.app/developers/graphql";
const DATABRICKS = "https://docs.databricks.com/aws/en/dev-tools/auth/pat";
const DOPPLER = "https://docs.doppler.com/reference/auth-token-formats";
const MAILGUN = "https://documentation.mailgun.com/docs/mailgun/user-manual/api-key-mgmt/rbac-mgmt";
const ATLASSIAN =
  "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/";
const SQUARE = "https://developer.squareup.com/docs/build-basics/access-tokens";
const GOOGLE = "https://cloud.google.com/docs/authentication/api-keys";
const FLY = "https://fly.io/docs/security/tokens/";
const SENTRY = "https://docs.sentry.io/account/auth-tokens/";
const PULUMI = "https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/";
const NOTION = "https://developers.notion.com/docs/authorization";
const POSTMAN = "https://learning.postman.com/docs/developer/postman-api/authentication/";
const OPENAI = "https://platform.openai.com/docs/api-reference/authentication";
const ANTHROPIC = "https://docs.anthropic.com/en/api/overview";
const HUGGING_FACE = "https://huggingface.co/docs/hub/security-tokens";
const PLANETSCALE = "https://planetscale.com/docs/concepts/planetscale-api-oauth-applications";
const SUPABASE = "https://supabase.com/docs/guides/api/api-keys";
const CLOUDFLARE = "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/";

const githubShape = (head: string): TokenShape => ({
  head,
  alphabet: DOTTED,
  min: 20,
  max: LONG,
  source: GITHUB,
});
const gitlabShape = (head: string): TokenShape => ({
  head,
  alphabet: DOTTED,
  min: 16,
  max: LONG,
  source: GITLAB,
});
const stripeShape = (head: string): TokenShape => ({
  head,
  alphabet: ALNUM,
  min: 10,
  max: LONG,
  source: STRIPE,
});
const awsShape = (head: string): TokenShape => ({
  head,
  alphabet: UPPER_ALNUM,
  min: 16,
  max: 16,
  source: AWS,
});
const slackShape = (head: string): TokenShape => ({
  head,
  alphabet: SLACK,
  min: 10,
  max: LONG,
  source: SLACK_PAGE,
});
const dopplerShape = (head: string): TokenShape => ({
  head,
  alphabet: DOTTED,
  min: 20,
  max: 128,
  source: DOPPLER,
});
const hexShape = (head: string, source: string): TokenShape => ({
  head,
  alphabet: HEX,
  min: 32,
  max: 128,
  source,
});
const longShape = (head: string, source: string): TokenShape => ({
  head,
  alphabet: BASE64URL,
  min: 20,
  max: LONG,
  source,
});

/** Most distinctive shapes of vendors; the head alone, with the length, is the evidence. */
export const TOKEN_SHAPES: readonly TokenShape[] = [
  ...["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"].map(githubShape),
  ...[
    "glpat-",
    "gldt-",
    "glrt-",
    "glcbt-",
    "glptt-",
    "glft-",
    "glimt-",
    "glagent-",
    "gloas-",
    "glsoat-",
    "glffct-",
    "glrtr-",
    "_gitlab_session=",
  ].map(gitlabShape),
  ...["sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_", "whsec_"].map(stripeShape),
  ...["AKIA", "ASIA", "ABIA", "ACCA"].map(awsShape),
  { head: "ABSK", alphabet: BASE64, min: 60, max: 300, source: AWS },
  ...["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxe-", "xoxc-", "xoxd-", "xapp-", "xwfp-"].map(
    slackShape,
  ),
  { head: "xoxe.", alphabet: DOTTED, min: 20, max: LONG, source: SLACK_PAGE },
  {
    head: "hooks.slack.com/services/",
    alphabet: characters("0-9", "A-Z", "a-z", "/"),
    min: 20,
    max: 100,
    source: SLACK_PAGE,
  },
  {
    head: "hooks.slack.com/workflows/",
    alphabet: characters("0-9", "A-Z", "a-z", "/"),
    min: 20,
    max: 100,
    source: SLACK_PAGE,
  },
  { head: "AIza", alphabet: BASE64URL, min: 35, max: 35, source: GOOGLE },
  { head: "ya29.", alphabet: DOTTED, min: 20, max: 2048, source: GOOGLE },
  { head: "GOCSPX-", alphabet: BASE64URL, min: 20, max: 64, source: GOOGLE },
  { head: "1//0", alphabet: BASE64URL, min: 30, max: 256, source: GOOGLE },
  ...["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"].map((head) => longShape(head, OPENAI)),
  { head: "sk-ant-", alphabet: BASE64URL, min: 20, max: 256, source: ANTHROPIC },
  {
    head: "sk-or-v1-",
    alphabet: HEX,
    min: 32,
    max: 128,
    source: "https://openrouter.ai/docs/api-reference/authentication",
  },
  { head: "sk-", alphabet: ALNUM, min: 32, max: 64, source: OPENAI },
  {
    head: "SG.",
    alphabet: DOTTED,
    min: 40,
    max: 128,
    source: "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
  },
  {
    head: "npm_",
    alphabet: ALNUM,
    min: 36,
    max: 36,
    source: "https://github.blog/2021-09-23-announcing-npms-new-access-token-format/",
  },
  { head: "pypi-", alphabet: BASE64URL, min: 50, max: 1024, source: "https://pypi.org/help/#apitoken" },
  {
    head: "rubygems_",
    alphabet: HEX,
    min: 48,
    max: 48,
    source: "https://guides.rubygems.org/api-key-scopes/",
  },
  ...["dop_v1_", "doo_v1_", "dor_v1_"].map((head) => hexShape(head, DIGITALOCEAN)),
  ...["shpat_", "shpca_", "shppa_", "shpss_", "shpua_"].map((head) => hexShape(head, SHOPIFY)),
  ...["hvs.", "hvb.", "hvr."].map((head): TokenShape => ({
    head,
    alphabet: BASE64URL,
    min: 20,
    max: LONG,
    source: VAULT,
  })),
  {
    head: "atlasv1.",
    alphabet: DOTTED,
    min: 40,
    max: 128,
    source: "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens",
  },
  { head: "dapi", alphabet: characters("0-9", "a-f", "-"), min: 32, max: 36, source: DATABRICKS },
  ...["glsa_", "glc_"].map((head): TokenShape => ({
    head,
    alphabet: characters("0-9", "A-Z", "a-z", "_+/="),
    min: 20,
    max: LONG,
    source: GRAFANA,
  })),
  ...["tskey-auth-", "tskey-api-", "tskey-client-", "tskey-scim-", "tskey-webhook-"].map((head) =>
    longShape(head, TAILSCALE),
  ),
  { head: "ATATT3", alphabet: characters("0-9", "A-Z", "a-z", "_=-"), min: 60, max: LONG, source: ATLASSIAN },
  { head: "ATBB", alphabet: ALNUM, min: 28, max: 48, source: ATLASSIAN },
  { head: "ATCTT3", alphabet: characters("0-9", "A-Z", "a-z", "_=-"), min: 60, max: LONG, source: ATLASSIAN },
  ...["hf_", "api_org_"].map((head): TokenShape => ({
    head,
    alphabet: ALNUM,
    min: 34,
    max: 40,
    source: HUGGING_FACE,
  })),
  {
    head: "r8_",
    alphabet: ALNUM,
    min: 37,
    max: 40,
    source: "https://replicate.com/docs/topics/security/api-tokens",
  },
  { head: "gsk_", alphabet: ALNUM, min: 40, max: 64, source: "https://console.groq.com/docs/api-reference" },
  { head: "xai-", alphabet: ALNUM, min: 60, max: 100, source: "https://docs.x.ai/docs/overview" },
  {
    head: "pplx-",
    alphabet: ALNUM,
    min: 40,
    max: 64,
    source: "https://docs.perplexity.ai/guides/getting-started",
  },
  ...["NRAK-", "NRII-", "NRJS-", "NRRA-", "NRIQ-"].map((head): TokenShape => ({
    head,
    alphabet: BASE64URL,
    min: 19,
    max: 64,
    source: NEWRELIC,
  })),
  { head: "PMAK-", alphabet: characters("0-9", "a-f", "-"), min: 50, max: 70, source: POSTMAN },
  ...["dckr_pat_", "dckr_oat_"].map((head) =>
    longShape(head, "https://docs.docker.com/security/access-tokens/"),
  ),
  {
    head: "AGE-SECRET-KEY-1",
    alphabet: UPPER_ALNUM,
    min: 58,
    max: 58,
    source: "https://age-encryption.org/v1",
    kind: "private-key",
  },
  ...["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."].map(dopplerShape),
  ...["lin_api_", "lin_oauth_"].map((head): TokenShape => ({
    head,
    alphabet: ALNUM,
    min: 32,
    max: 80,
    source: LINEAR,
  })),
  {
    head: "figd_",
    alphabet: BASE64URL,
    min: 40,
    max: 64,
    source: "https://developers.figma.com/docs/rest-api/authentication/",
  },
  { head: "key-", alphabet: HEX, min: 32, max: 32, source: MAILGUN },
  ...["EAAA", "sq0atp-", "sq0csp-", "sq0idp-"].map((head): TokenShape => ({
    head,
    alphabet: BASE64URL,
    min: 22,
    max: 64,
    source: SQUARE,
  })),
  { head: "fo1_", alphabet: BASE64URL, min: 40, max: 64, source: FLY },
  { head: "fm1r_", alphabet: characters("0-9", "A-Z", "a-z", "+/=_"), min: 60, max: 2048, source: FLY },
  { head: "fm2_", alphabet: characters("0-9", "A-Z", "a-z", "+/=_"), min: 60, max: 2048, source: FLY },
  { head: "sntrys_", alphabet: characters("0-9", "A-Z", "a-z", "+/=_"), min: 40, max: LONG, source: SENTRY },
  { head: "sntryu_", alphabet: HEX, min: 64, max: 64, source: SENTRY },
  { head: "pul-", alphabet: HEX, min: 40, max: 40, source: PULUMI },
  { head: "secret_", alphabet: ALNUM, min: 43, max: 43, source: NOTION },
  { head: "ntn_", alphabet: ALNUM, min: 40, max: 60, source: NOTION },
  ...["pscale_tkn_", "pscale_pw_", "pscale_oauth_"].map((head): TokenShape => ({
    head,
    alphabet: DOTTED,
    min: 30,
    max: 80,
    source: PLANETSCALE,
  })),
  ...["sbp_", "sb_secret_"].map((head): TokenShape => ({
    head,
    alphabet: BASE64URL,
    min: 24,
    max: 80,
    source: SUPABASE,
  })),
  { head: "v1.0-", alphabet: characters("0-9", "a-f", "-"), min: 150, max: 200, source: CLOUDFLARE },
  {
    head: "CLOJARS_",
    alphabet: LOWER_ALNUM,
    min: 60,
    max: 60,
    source: "https://github.com/clojars/clojars-web/wiki/Deploy-Tokens",
  },
  {
    head: "EZAK",
    alphabet: ALNUM,
    min: 54,
    max: 54,
    source: "https://docs.easypost.com/docs/authentication",
  },
  {
    head: "EZTK",
    alphabet: ALNUM,
    min: 54,
    max: 54,
    source: "https://docs.easypost.com/docs/authentication",
  },
  {
    head: "shippo_live_",
    alphabet: HEX,
    min: 40,
    max: 40,
    source: "https://docs.goshippo.com/docs/guides_general/authentication/",
  },
  {
    head: "shippo_test_",
    alphabet: HEX,
    min: 40,
    max: 40,
    source: "https://docs.goshippo.com/docs/guides_general/authentication/",
  },
  {
    head: "xkeysib-",
    alphabet: characters("0-9", "A-Z", "a-z", "-"),
    min: 60,
    max: 100,
    source: "https://developers.brevo.com/docs/getting-started",
  },
  {
    head: "duffel_live_",
    alphabet: BASE64URL,
    min: 40,
    max: 64,
    source: "https://duffel.com/docs/api/overview/making-requests",
  },
  {
    head: "duffel_test_",
    alphabet: BASE64URL,
    min: 40,
    max: 64,
    source: "https://duffel.com/docs/api/overview/making-requests",
  },
  {
    head: "dt0c01.",
    alphabet: DOTTED,
    min: 80,
    max: 100,
    source: "https://docs.dynatrace.com/docs/dynatrace-api/basics/dynatrace-api-authentication",
  },
  {
    head: "AKCp",
    alphabet: ALNUM,
    min: 60,
    max: 80,
    source: "https://jfrog.com/help/r/jfrog-platform-administration-documentation/api-key",
  },
  {
    head: "ops_eyJ",
    alphabet: BASE64,
    min: 200,
    max: 2048,
    source: "https://developer.1password.com/docs/service-accounts/",
  },
  { head: "rnd_", alphabet: ALNUM, min: 28, max: 40, source: "https://render.com/docs/api" },
  {
    head: "FLWSECK",
    alphabet: characters("0-9", "A-Z", "a-z", "_-"),
    min: 12,
    max: 64,
    source: "https://developer.flutterwave.com/docs/authentication",
  },
  {
    head: "sgp_",
    alphabet: characters("0-9", "a-f", "A-F", "_"),
    min: 40,
    max: 64,
    source: "https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token",
  },
  { head: "SK", alphabet: HEX, min: 32, max: 32, source: "https://www.twilio.com/docs/iam/api-keys" },
  {
    head: "HRKU-",
    alphabet: BASE64URL,
    min: 36,
    max: 80,
    source: "https://devcenter.heroku.com/articles/authentication",
  },
  {
    head: "vcp_",
    alphabet: ALNUM,
    min: 24,
    max: 80,
    source: "https://vercel.com/docs/rest-api#authentication",
  },
  { head: "GR1348941", alphabet: BASE64URL, min: 20, max: 27, source: GITLAB },
  ...["access-sandbox-", "access-development-", "access-production-"].map((head): TokenShape => ({
    head,
    alphabet: characters("0-9", "a-f", "-"),
    min: 36,
    max: 36,
    source: "https://plaid.com/docs/api/tokens/",
  })),
  {
    head: "sk.eyJ",
    alphabet: DOTTED,
    min: 60,
    max: 128,
    source: "https://docs.mapbox.com/help/dive-deeper/access-tokens/",
  },
  { head: "phx_", alphabet: ALNUM, min: 30, max: 64, source: "https://posthog.com/docs/api" },
  {
    head: "waka_",
    alphabet: characters("0-9", "a-f", "-"),
    min: 36,
    max: 36,
    source: "https://wakatime.com/developers#authentication",
  },
];

const BY_HEAD = new Map<string, TokenShape>(TOKEN_SHAPES.map((shape) => [shape.head.toLowerCase(), shape]));

/** A token starts where a word starts; `_`, `-` and `.` may stand before it, as in file names and joined variables. */
function startsWord(text: string, at: number): boolean {
  return !isIn(ALNUM, text, at - 1);
}

export const tokens: readonly HeadDetector[] = [...BY_HEAD].map(([head, shape]) => ({
  heads: [head],
  find(runs, at) {
    const body = at + shape.head.length;
    if (!runs.text.startsWith(shape.head, at) || !startsWord(runs.text, at)) return undefined;
    const end = withoutTrailingPunctuation(runs.text, runs.end(shape.alphabet, body));
    const length = end - body;
    if (length < shape.min || length > (shape.max ?? shape.min)) return undefined;
    return { start: at, end, kind: shape.kind ?? "token" };
  },
}));

/** A sentence's full stop is not part of the token before it. */
function withoutTrailingPunctuation(text: string, end: number): number {
  return text[end - 1] === "." ? end - 1 : end;
}
