"""What looks like a secret in a text, and what does not."""

from __future__ import annotations

import base64
import json
import random
import re
import sysconfig
import uuid
from pathlib import Path

import pytest
from fakes_secrets import Maker, assigned_values, known_shapes, private_keys
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle.secret_kinds import KINDS
from flash.bundle.secret_search import find_in_value, find_secrets, hidden


def kinds(text: str, path: str = "app.py") -> list[str]:
    return [found.kind for found in find_secrets(text.encode(), path)]


def values(text: str, path: str = "app.py") -> list[str]:
    return [found.secret.decode() for found in find_secrets(text.encode(), path)]


SHAPES = [(kind, secret) for seed in (1, 2, 3) for kind, secret in known_shapes(seed).items()]
SHAPE_IDS = [f"{kind}-{number // len(known_shapes())}" for number, (kind, _) in enumerate(SHAPES)]


@pytest.mark.parametrize(("kind", "secret"), SHAPES, ids=SHAPE_IDS)
@pytest.mark.parametrize(
    "line",
    [
        "x = '{}'",
        "{}",
        "# remember {} for later",
        '"client": "{}",',
        "  - value: {}",
        r'"source": ["print(\"{}\")\n", "x\n"]',
        r"first\n{}\nlast",
        "curl -H 'X-Key: {}' host",
    ],
)
def test_a_known_shape_is_found_wherever_it_stands(kind: str, secret: str, line: str) -> None:
    """In any language, in comments, in notebooks: by its shape alone."""
    found = kinds("\n\n" + line.format(secret) + "\n")
    assert kind.partition(",")[0] in found


@pytest.mark.parametrize("how", ["text", "json", "python", "crlf"])
@pytest.mark.parametrize("writer", private_keys())
def test_a_private_key_is_found_at_its_heading(writer: str, how: str) -> None:
    """As a file, inside JSON, inside a string of a program."""
    key = private_keys()[writer]
    written = {
        "text": key,
        "json": json.dumps({"private_key": key}),
        "python": repr(key),
        "crlf": key.replace("\n", "\r\n"),
    }
    (found,) = find_secrets(f"\n\n{written[how]}\n".encode(), "key.json")
    assert (found.kind, found.line) == ("a private key", 3)


@pytest.mark.parametrize(
    "text",
    [
        'if text.startswith("-----BEGIN RSA PRIVATE KEY-----"):\n    raise ValueError("no")\n',
        "HEADING = '-----BEGIN PRIVATE KEY-----'\nEND = '-----END PRIVATE KEY-----'\n",
        "-----BEGIN CERTIFICATE-----\n" + "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n" * 9,
        "-----BEGIN PUBLIC KEY-----\n" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n" * 5,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk0bHN5bWV0cmljYWxseXJhbmRvbWtleWhlcmU1 ada@host\n",
    ],
)
def test_what_only_speaks_of_keys_is_none(text: str) -> None:
    """A heading, a certificate, a public key."""
    assert kinds(text) == []


@pytest.mark.parametrize("name", assigned_values())
@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{name} = '{value}'", "app.py"),
        ('{name}: str = "{value}"', "app.py"),
        ('{name}: str | None = "{value}"', "app.py"),
        ("connect(host, {name}='{value}')", "app.py"),
        ('config["{name}"] = "{value}"', "app.py"),
        ("os.environ.setdefault('{name}', '{value}')", "app.py"),
        ('os.getenv("{name}", "{value}")', "app.py"),
        ('{{"{name}": "{value}"}}', "config.json"),
        ('{name}: "{value}",', "app.js"),
        ("{name} => '{value}'", "app.php"),
        ("{name}: {value}", "config.yaml"),
        ("  {name}: {value}  # keep", "config.yml"),
        ("{name}={value}", "settings.ini"),
        ("export {name}={value}", "run.sh"),
        ("{name}={value}", "no_suffix"),
        ('{name} = "{value}"', "config.toml"),
        (r'   "{name} = \"{value}\"\n",', "notebook.ipynb"),
    ],
)
def test_what_is_called_a_secret_is_found(name: str, template: str, path: str) -> None:
    """In programs, and in the formats that settings are kept in."""
    value = assigned_values()[name]
    assert values(template.format(name=name, value=value), path) == [value]


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "your_api_key_here"',
        'api_key = "YOUR-API-KEY"',
        'API_KEY="<your key>"',
        "api_key: ${API_KEY}",
        "api_key: {{ vault.api_key }}",
        "password: $DB_PASSWORD",
        'password = "changeme"',
        'password = "xxxxxxxxxxxx"',
        'password = "********"',
        'password = "password123"',
        'password: "hunter2"',
        'token = "<|im_start|>"',
        'eos_token = "<|endoftext|>"',
        "token = get_token(settings)",
        "password = self.settings.password_2",
        'password = "current_password"',
        'secret = "secretsmanager:GetSecretValue"',
        'api_key_header = "X-API-Key-V2-Header0"',
        'token_url = "https://auth.acme-lab.com/oauth2/token"',
        'password_hasher = "pbkdf2_sha256"',
        'HASHER = "bcrypt_sha256"',
        'secret_key_name = "prod/Db1/Key2"',
        'token_type = "urn:ietf:params:oauth:token-type:id_token2"',
        'tokenizer = "bert-base-uncased-L12-H768-A12"',
        'model = "meta-llama/Meta-Llama-3.1-8B-Instruct"',
        'model = "TheBloke/Mistral-7B-Instruct-v0.2-GPTQ"',
        'revision = "5e1c9a3b7d2f4e6a8b0c1d3e5f7a9b2c4d6e8f01"',
        'key = "AmazonEC2ContainerServiceforEC2Role"',
        'alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"',
        'url = "postgres://user:password@localhost:5432/db"',
        'url = "postgres://postgres:postgres@db:5432/postgres"',
        'url = "https://user:pass@example.com/"',
        'url = "https://${USER}:${PASSWORD}@host.acme-lab.com/"',
        'url = f"https://{user}:{password}@host.acme-lab.com/"',
        'url = "redis://:@cache.acme-lab.com:6379/0"',
        'token = "Bearer " + token',
        'Authorization: "Bearer ${TOKEN}"',
        'aws = "AKIAIOSFODNN7EXAMPLE"',
        'key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        'integrity = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="',
        'image = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDw"',
        'greeting = "VGhlc2UgYXJlbid0IHRoZSBkcm9pZHMgeW91J3JlIGxvb2tpbmcgZm9y"',
        'publishable = "pk_live_" + suffix',
        'author = "Zoe2 Example9"',
    ],
)
@pytest.mark.parametrize("path", ["app.py", "settings.yaml"])
def test_what_users_write_in_place_of_a_secret_is_none(line: str, path: str) -> None:
    """Placeholders, references, identifiers, names of models, hashes, examples of documentations."""
    assert kinds(line + "\n", path) == []


def test_uuids_and_hashes_are_none() -> None:
    """Nor what is called a token and is one of them."""
    source = random.Random(7)  # noqa: S311
    lines = [f'token = "{uuid.UUID(int=source.getrandbits(128))}"' for _ in range(50)]
    lines += [
        f'{{ url = "https://files.acme-lab.com/a.whl", hash = "sha256:{source.randbytes(32).hex()}" }}'
        for _ in range(50)
    ]
    lines += [f"attrs==25.1 --hash=sha256:{source.randbytes(32).hex()}" for _ in range(50)]
    lines += [f'resolved "https://registry.acme-lab.com/a.tgz#{source.randbytes(20).hex()}"' for _ in range(50)]
    lines += [f'commit = "{source.randbytes(20).hex()}"' for _ in range(50)]
    assert kinds("\n".join(lines), "uv.lock") == []
    assert kinds("\n".join(lines), "notes.txt") == []


def test_base64_in_the_outputs_of_notebooks_is_none_and_a_printed_token_is_one() -> None:
    """Images are noise; what a cell has printed is readable by everybody."""
    image = base64.b64encode(random.Random(3).randbytes(9000)).decode()  # noqa: S311
    token = known_shapes()["a Hugging Face token"]
    cell = {"cell_type": "code", "outputs": [{"data": {"image/png": image}}], "source": ["plot()\n"]}
    notebook = {"cells": [cell], "nbformat": 4}
    assert kinds(json.dumps(notebook, indent=1), "a.ipynb") == []
    cell["outputs"] = [{"output_type": "stream", "text": [f"logged in with {token}\n"]}]
    assert values(json.dumps(notebook, indent=1), "a.ipynb") == [token]


def test_minified_programs_are_searched_for_known_shapes_only() -> None:
    """Their names and values are as good as drawn by chance."""
    make = Maker(5)
    noise = ",".join(f'{make.of("abc", 2)}:"{make.mixed(24)}",password:"{make.mixed(9)}"' for _ in range(300))
    token = known_shapes()["a GitHub token"]
    assert values(f"var a={{{noise}}};", "app.js") == []
    assert values(f'var a={{{noise}}};b="{token}"', "app.js") == [token]


def test_what_is_drawn_by_chance_is_found_under_any_name() -> None:
    """Nine in ten of forty characters: a few look like names by chance."""
    make = random.Random(11)  # noqa: S311
    texts = [base64.b64encode(make.randbytes(30)).decode() for _ in range(200)]
    found = [text for text in texts if kinds(f'WEAVIATE = "{text}"') == ["a value drawn by chance"]]
    assert len(found) > 180


def test_ids_by_the_dozen_are_data() -> None:
    """Of a few, each may be a key; what says that it is one is one."""
    make = Maker(12)
    ids = [make.mixed(24) for _ in range(40)]
    assert len(kinds("\n".join(f'"id": "{one}",' for one in ids[:10]), "data.json")) == 10
    rows = [f'"id": "{one}",' for one in ids] + [f'"api_key": "{make.mixed(24)}"']
    assert kinds("\n".join(rows), "data.json") == ["a key or token in an assignment"]


@given(st.binary(max_size=400), st.sampled_from(["a.py", "a.yaml", "a.ipynb", "uv.lock"]))
def test_any_bytes_can_be_looked_at(data: bytes, path: str) -> None:
    """Nothing is raised, and what is found is what stands there."""
    for found in find_secrets(data, path):
        assert found.secret in data
        assert data.split(b"\n")[found.line - 1 :]


@given(st.integers(min_value=0, max_value=40), st.sampled_from([secret for _, secret in SHAPES]))
def test_the_line_is_told(line: int, secret: str) -> None:
    """Counted from 1."""
    text = "x = 1\n" * line + f"y = '{secret}'\n"
    assert line + 1 in [found.line for found in find_secrets(text.encode(), "a.py")]


def test_a_fingerprint_names_one_secret_in_one_file() -> None:
    """And does not have the secret in it."""
    first, second = known_shapes(1)["a GitHub token"], known_shapes(2)["a GitHub token"]
    prints = [
        found.fingerprint
        for path, secret in (("a.py", first), ("a.py", second), ("b.py", first))
        for found in find_secrets(f"x = '{secret}'".encode(), path)
    ]
    assert len(set(prints)) == 3
    assert all(re.fullmatch(r"[ab]\.py:[0-9a-f]{12}", one) for one in prints)


def test_what_was_found_does_not_show_the_secret() -> None:
    """Neither as text nor in a traceback's locals."""
    secret = known_shapes()["a Runpod key"]
    (found,) = find_secrets(f"k = '{secret}'".encode(), "a.py")
    assert secret not in f"{found} {found!r}"
    assert str(found) == "a.py:1: a Runpod key"


@pytest.mark.parametrize("name", ["MODE", "DB_PASSWORD", "anything"])
def test_a_variable_is_judged_by_its_name_and_its_value(name: str) -> None:
    """A known shape under any name, the rest where the name says it."""
    shaped, plain = known_shapes()["a Stripe key"], assigned_values()["DB_PASSWORD"]
    assert [one.kind for one in find_in_value(name, shaped, "a.py")] == ["a Stripe key"]
    assert bool(list(find_in_value(name, plain, "a.py"))) == (name == "DB_PASSWORD")
    assert list(find_in_value(name, "production", "a.py")) == []


def test_a_quoted_source_is_hidden() -> None:
    """For messages that show an expression."""
    secret = known_shapes()["an OpenAI key"]
    assert hidden(f"Endpoint(env={{'K': '{secret}'}})") == "Endpoint(env={'K': '***'})"
    assert hidden("Endpoint(name=NAME)") == "Endpoint(name=NAME)"


def test_every_kind_says_where_to_look_for_it() -> None:
    """A file without its marks is passed over."""
    assert [kind.name for kind in KINDS if not kind.marks or not all(kind.marks)] == []
    assert [kind.name for kind in KINDS if not re.match(r"an? \S", kind.name)] == []


def test_the_standard_library_has_no_secret() -> None:
    """Thousands of lines that talk of passwords and keys, and not one false alarm."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [*folder.glob("*.py"), *folder.glob("http/*.py"), *folder.glob("email/*.py"), *folder.glob("asyncio/*.py")]
    assert len(files) > 150
    assert [str(found) for file in files for found in find_secrets(file.read_bytes(), file.name)] == []
