"""The shapes of secrets that can be told by their own text: a table, each row with its source.

A row's *marks* stand in every secret of its kind, so that a file without any of them costs no more than a few searches.
Whether what has the shape is a real secret, and no placeholder, is `flash.bundle.plausible`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of secret.

    Attributes:
        name: As a message says it: "looks like …".
        marks: One of them is part of each.
        expression: Finds it; the group ``secret`` is what must not be printed, the whole match where there is none.
        is_random: Whether it is drawn by chance, so that words and runs in it show a placeholder.
        reach: How far before its mark it may begin; 0: with the mark.
    """

    name: str
    marks: tuple[bytes, ...]
    expression: bytes
    is_random: bool = True
    reach: int = 0

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """The compiled expression; most are never needed."""
        return re.compile(self.expression)


def _kind(name: str, marks: str, expression: str, *, is_random: bool = True, reach: int = 0) -> Kind:
    return Kind(
        name, tuple(mark.encode("ascii") for mark in marks.split()), expression.encode("ascii"), is_random, reach
    )


_END: Final = r"(?![A-Za-z0-9_])"
# not \b: a token may follow the n of an escaped line end
_START: Final = r"(?:(?<=\\[nrt])|(?<![A-Za-z0-9_]))"
_B64: Final = r"[A-Za-z0-9+/]"

# Sources, all read 2026-11. GL: the rules of gitleaks 8 (config/gitleaks.toml, 2026-07-22). DS: the plugins of
# detect-secrets (master, 2026-04-02). GH: GitHub docs, "Supported secret scanning patterns". Beside them, where the one
# who gives the tokens out says how they look, that.
KINDS: Final[tuple[Kind, ...]] = (
    # GL aws-access-token; AWS, "IAM identifiers", unique ID prefixes: AKIA and ASIA are access keys
    _kind(
        "an AWS access key",
        "AKIA ASIA ABIA ACCA",
        rf"{_START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}(?![A-Za-z0-9])",
    ),
    # GL aws-amazon-bedrock-api-key-long-lived
    _kind("an AWS Bedrock key", "ABSK", rf"{_START}ABSK{_B64}{{100,269}}={{0,2}}"),
    # GL gcp-api-key
    _kind("a Google API key", "AIza", rf"{_START}AIza[\w-]{{35}}(?![\w-])"),
    # Google's OAuth client secrets and refresh tokens: GH google_oauth_client_secret, google_oauth_refresh_token
    _kind("a Google OAuth secret", "GOCSPX-", rf"{_START}GOCSPX-[\w-]{{28}}(?![\w-])"),
    # GL github-pat, github-oauth, github-app-token, github-refresh-token, github-fine-grained-pat; GitHub docs, "About
    # authentication to GitHub", token formats
    _kind("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_START}gh[pousr]_[0-9A-Za-z]{{36,255}}{_END}"),
    _kind("a GitHub token", "github_pat_", rf"{_START}github_pat_\w{{82}}{_END}"),
    # GL gitlab-*; GitLab docs, "Token overview", token prefixes
    _kind(
        "a GitLab token",
        "glpat- gldt- glrt- glptt- glcbt- glsoat- gloas- glft- glimt- glagent- GR1348941",
        rf"{_START}(?:gl(?:pat|dt|rt|ptt|cbt|soat|oas|ft|imt|agent)-[\w-]{{20,300}}(?:\.[0-9a-z]{{2,9}}){{0,2}}|"
        rf"GR1348941[\w-]{{20}}){_END}",
    ),
    # GL slack-*
    _kind(
        "a Slack token",
        "xoxb- xoxp- xoxe xoxa- xoxr- xoxo- xoxs-",
        rf"{_START}xox[abeoprs](?:\.xox[bp])?-[0-9A-Za-z-]{{18,180}}{_END}",
    ),
    _kind("a Slack token", "xapp-", rf"{_START}xapp-\d-[A-Z0-9]{{8,14}}-\d{{8,16}}-[0-9a-f]{{32,80}}{_END}"),
    _kind("a Slack webhook", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,60}"),
    # Discord docs, "Webhook resource"; GH discord_bot_token, DS discord
    _kind("a Discord webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,72}", reach=14),
    # GL stripe-access-token; Stripe docs, "API keys". Publishable keys are no secrets
    _kind(
        "a Stripe key",
        "sk_live_ rk_live_ sk_test_ rk_test_ whsec_",
        rf"{_START}(?:[sr]k_(?:live|test)_[0-9A-Za-z]{{16,160}}|whsec_[A-Za-z0-9+/]{{32,64}}){_END}",
    ),
    # GL anthropic-api-key, anthropic-admin-api-key
    _kind("an Anthropic key", "sk-ant-", rf"{_START}sk-ant-[a-z]+\d\d-[\w-]{{60,140}}"),
    # GL openai-api-key: the middle is base64 for "OpenAI"
    _kind("an OpenAI key", "T3BlbkFJ", rf"{_START}sk-(?:[a-zA-Z]+-)?[\w-]{{20,100}}T3BlbkFJ[\w-]{{20,100}}", reach=128),
    # keys of other services that speak OpenAI's protocol: GH openrouter_api_key, deepseek_api_key
    _kind("an OpenRouter key", "sk-or-v1-", rf"{_START}sk-or-v1-[0-9a-f]{{64}}{_END}"),
    # GL huggingface-access-token, huggingface-organization-api-token
    _kind("a Hugging Face token", "hf_", rf"{_START}hf_[A-Za-z0-9]{{34,40}}{_END}"),
    _kind("a Hugging Face token", "api_org_", rf"{_START}api_org_[A-Za-z0-9]{{34}}{_END}"),
    # Runpod docs, "Credentials", and what its keys look like on the wire; GH runpod_api_key
    _kind("a Runpod key", "rpa_", rf"{_START}rpa_[A-Za-z0-9]{{24,64}}{_END}"),
    # GH replicate_api_token; secretlint#1446 for Groq
    _kind("a Replicate token", "r8_", rf"{_START}r8_[A-Za-z0-9]{{37}}{_END}"),
    _kind("a Groq key", "gsk_", rf"{_START}gsk_[A-Za-z0-9]{{52}}{_END}"),
    # GL perplexity-api-key
    _kind("a Perplexity key", "pplx-", rf"{_START}pplx-[A-Za-z0-9]{{48}}{_END}"),
    # Weights & Biases: the newer form of its keys; GH weights_and_biases_api_key
    _kind("a Weights & Biases key", "wandb_v1_", rf"{_START}wandb_v1_[\w-]{{60,120}}"),
    # GL pypi-upload-token; the beginning is a macaroon for pypi.org
    _kind("a PyPI token", "pypi-AgE", rf"{_START}pypi-AgE[\w-]{{50,1000}}"),
    # GL npm-access-token
    _kind("an npm token", "npm_", rf"{_START}npm_[A-Za-z0-9]{{36}}{_END}"),
    # what npm and its kin keep in .npmrc: npm docs, "npmrc"
    _kind(
        "an npm token",
        ":_authToken :_password",
        r":_(?:authToken|password)\s{0,3}=\s{0,3}[\"']?(?P<secret>[\w+/=-]{16,200})",
    ),
    # DS azure_storage_key
    _kind(
        "an Azure storage key",
        "AccountKey= SharedAccessKey=",
        rf"(?:AccountKey|SharedAccessKey)=(?P<secret>{_B64}{{43,88}}={{0,2}})",
    ),
    # GL azure-ad-client-secret
    _kind("an Azure client secret", "Q~", r"(?<![\w~.-])(?P<secret>[\w~.]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])", reach=4),
    # Microsoft docs, "Shared access signature": the signature of a URL
    _kind("an Azure signature", "&sig= ?sig=", r"[?&]sig=(?P<secret>[A-Za-z0-9%+/]{43,70}(?:%3[Dd]|=))"),
    # GL jwt: header and claims are JSON, so both begin with base64 for {"
    _kind(
        "a JSON Web Token",
        "eyJ",
        r"(?:(?<=\\[nrt])|(?<![\w/+-]))eyJ[\w-]{14,2000}\.eyJ[\w-]{14,8000}\.[\w-]{20,2000}",
    ),
    # GL sendgrid-api-token
    _kind("a SendGrid key", "SG.", rf"{_START}SG\.[\w-]{{22}}\.[\w-]{{43}}{_END}"),
    # GL databricks-api-token
    _kind("a Databricks token", "dapi", rf"{_START}dapi[0-9a-f]{{32}}(?:-\d)?{_END}"),
    # GL digitalocean-*
    _kind("a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", rf"{_START}do[opr]_v1_[0-9a-f]{{64}}{_END}"),
    # GL vault-service-token, vault-batch-token, hashicorp-tf-api-token
    _kind("a Vault token", "hvs. hvb.", rf"{_START}hv[bs]\.[\w-]{{90,300}}"),
    _kind("a Terraform token", ".atlasv1.", rf"{_START}[A-Za-z0-9]{{14}}\.atlasv1\.[\w=-]{{60,70}}", reach=14),
    # GL doppler-api-token, linear-api-key, notion-api-token, postman-api-token, pulumi-api-token, grafana-*
    _kind(
        "a Doppler token",
        "dp.pt. dp.st. dp.ct. dp.sa.",
        rf"{_START}dp\.(?:pt|st|ct|sa)\.(?:[\w-]{{2,35}}\.)?[A-Za-z0-9]{{40,44}}{_END}",
    ),
    _kind("a Linear key", "lin_api_", rf"{_START}lin_api_[A-Za-z0-9]{{40}}{_END}"),
    _kind("a Notion token", "ntn_", rf"{_START}ntn_[0-9]{{11}}[A-Za-z0-9]{{35}}{_END}"),
    _kind("a Postman key", "PMAK-", rf"{_START}PMAK-[0-9a-f]{{24}}-[0-9a-f]{{34}}{_END}"),
    _kind("a Pulumi token", "pul-", rf"{_START}pul-[0-9a-f]{{40}}{_END}"),
    _kind("a Grafana token", "glsa_", rf"{_START}glsa_[A-Za-z0-9]{{32}}_[0-9A-Fa-f]{{8}}"),
    _kind("a Grafana token", "glc_", rf"{_START}glc_{_B64}{{32,400}}={{0,3}}"),
    # GL shopify-*
    _kind("a Shopify token", "shpat_ shpca_ shppa_ shpss_", rf"{_START}shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}{_END}"),
    # DS telegram_token; Telegram, "Bot API", authorizing your bot
    _kind("a Telegram token", ":AA", rf"{_START}\d{{8,10}}:AA[\w-]{{33}}(?![\w-])", reach=10),
    # Docker docs, "Access tokens"; GH docker_personal_access_token
    _kind("a Docker token", "dckr_pat_ dckr_oat_", rf"{_START}dckr_[op]at_[\w-]{{27,40}}"),
    # GL 1password-service-account-token, age-secret-key
    _kind("a 1Password token", "ops_eyJ", rf"{_START}ops_eyJ{_B64}{{250,2000}}={{0,3}}"),
    _kind("an age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    # GL private-key; RFC 7468, RFC 9580 §6.2, and what OpenSSH and PuTTY write. A heading alone is no key: code that
    # reads keys has it. This finds the key of a GCP service account in its JSON, too
    _kind(
        "a private key",
        "PRIVATE",
        rf"-----BEGIN (?:[A-Z0-9]{{1,12}} ){{0,2}}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?P<secret>(?:[^-]|-(?!-)){{0,400}}?{_B64}{{40,80}}[^-]{{0,20000}})",
        is_random=False,
        reach=48,
    ),
    _kind(
        "a private key",
        "Private-Lines:",
        rf"Private-Lines: \d+\s+(?P<secret>{_B64}{{40,80}})",
        is_random=False,
    ),
)
