"""Secrets of every kind, made when a test runs: no scanner finds one in this repository."""

from __future__ import annotations

import base64
import json
import random
import string

__all__ = ["assigned_values", "known_shapes", "private_keys"]

_BOTH = string.ascii_letters + string.digits
_LOWER = string.ascii_lowercase + string.digits
_HEX = "0123456789abcdef"


class Maker:
    """Draws text by chance, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  not for use

    def of(self, characters: str, length: int) -> str:
        """So many characters."""
        return "".join(self._random.choices(characters, k=length))

    def mixed(self, length: int) -> str:
        """Letters in both cases and digits, as changeable as such text is on average."""
        groups = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        return "".join(self._random.choice(groups[number % 3]) for number in range(length))

    def jwt(self) -> str:
        """Signed by nobody."""
        parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": self.of(_LOWER, 12), "exp": 1790000000}]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, self.mixed(43)])


def known_shapes(seed: int = 1) -> dict[str, str]:
    """By kind, something that its own shape tells."""
    make = Maker(seed)
    upper = string.ascii_uppercase + "234567"
    return {
        "an AWS access key": "AKIA" + make.of(upper, 16),
        "a Google API key": "AIza" + make.mixed(35),
        "a GitHub token": "ghp" + "_" + make.mixed(36),
        "a GitHub token, fine-grained": "github_pat" + "_" + make.mixed(22) + "_" + make.mixed(59),
        "a GitLab token": "glpat" + "-" + make.mixed(20),
        "a Slack token": "xoxb" + "-" + "-".join((make.of("123456789", 12), make.of("123456789", 12), make.mixed(24))),
        "a Slack webhook": "https://hooks.slack.com" + "/services/T" + make.of(upper, 10) + "/B" + make.of(upper, 10)
        + "/" + make.mixed(24),
        "a Stripe key": "sk" + "_live_" + make.mixed(24),
        "an Anthropic key": "sk-ant" + "-api03-" + make.mixed(93) + "AA",
        "an OpenAI key": "sk-proj" + "-" + make.mixed(58) + "T3Blbk" + "FJ" + make.mixed(58),
        "a Hugging Face token": "hf" + "_" + make.mixed(34),
        "a Runpod key": "rpa" + "_" + make.mixed(40),
        "a Replicate token": "r8" + "_" + make.mixed(37),
        "a PyPI token": "pypi" + "-AgEIcHlwaS5vcmc" + make.mixed(120),
        "an npm token": "npm" + "_" + make.mixed(36),
        "an Azure storage key": "AccountName=data;Account" + "Key=" + make.mixed(86) + "==",
        "a JSON Web Token": make.jwt(),
        "a SendGrid key": "SG" + "." + make.mixed(22) + "." + make.mixed(43),
        "a Databricks token": "dapi" + make.of(_HEX, 32),
        "a DigitalOcean token": "dop" + "_v1_" + make.of(_HEX, 64),
        "a Telegram token": make.of("123456789", 10) + ":AA" + make.mixed(33),
        "a password in a URL": "postgresql://app:" + make.mixed(18) + "@db.internal.acme-lab.com:5432/main",
    }  # fmt: skip


def private_keys(seed: int = 1) -> dict[str, str]:
    """By what wrote them, the texts of keys that open nothing."""
    make = Maker(seed)

    def block(words: str, *before: str) -> str:
        lines = [*before, *(make.of(_BOTH + "+/", 64) for _ in range(6))]
        return "\n".join([f"-----BEGIN {words}-----", *lines, f"-----END {words}-----", ""])

    return {
        "PKCS #8": block("PRIVATE " + "KEY"),
        "OpenSSL": block("RSA PRIVATE " + "KEY", "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,0A", ""),
        "OpenSSH": block("OPENSSH PRIVATE " + "KEY"),
        "PGP": block("PGP PRIVATE " + "KEY BLOCK", "Version: 1", ""),
    }


def assigned_values(seed: int = 1) -> dict[str, str]:
    """By a name that says it, a value that has no shape of its own."""
    make = Maker(seed)
    return {
        "DB_PASSWORD": make.mixed(8) + "!" + make.of(_LOWER, 4),
        "smtp_passwd": "Waldweg" + "#" + make.of("123456789", 3),
        "api_key": make.of(_HEX, 32),
        "client_secret": make.mixed(40),
        "auth_token": make.mixed(28),
        "encryption_key": make.mixed(43) + "=",
    }
