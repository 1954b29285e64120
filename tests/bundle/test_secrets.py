"""Secrets in what would ship stop a build, and what is none is allowed knowingly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from fakes_secrets import assigned_values, known_shapes, private_keys

from flash.bundle.discover import discover
from flash.bundle.secrets import MARK, Secrets
from flash.errors import BuildError, DiscoveryError, SecretFound, SettingsError
from flash.model.app import App

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TOKEN = known_shapes()["a GitHub token"]
OTHER = known_shapes(2)["a GitHub token"]
NOTHING = App("demo", ())


def write(root: Path, **files: str) -> tuple[str, ...]:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))


def refuse_secrets(root: Path, files: Sequence[str], app: App, *, allowed: Sequence[str] = ()) -> tuple[str, ...]:
    secrets = Secrets(allowed)
    secrets.look_into(root, files)
    secrets.look_at(app)
    return secrets.refuse()


def refused(root: Path, files: tuple[str, ...], app: App = NOTHING, allowed: tuple[str, ...] = ()) -> SecretFound:
    with pytest.raises(SecretFound) as caught:
        refuse_secrets(root, files, app, allowed=allowed)
    return caught.value


def app_of(root: Path, files: tuple[str, ...]) -> App:
    return discover(root, files, app_name="demo")


def test_each_is_named_by_file_and_line_and_none_is_shown(tmp_path: Path) -> None:
    """With what allows it, and what to do instead."""
    files = write(tmp_path, a_DOT_py=f"\n\nx = '{TOKEN}'\n", config__b_DOT_json=f'{{\n"k": "{OTHER}"}}')
    error = refused(tmp_path, files)
    assert (error.path, error.line) == ("a.py", 3)
    assert error.found == (("a.py", 3, "a GitHub token"), ("config/b.json", 2, "a GitHub token"))
    text = str(error)
    assert "a.py:3: looks like a GitHub token, the first of 2 in 2 files" in text
    assert "config/b.json:2: a GitHub token" in text
    assert "Secret(" in text
    assert TOKEN not in text
    assert OTHER not in text


def test_files_without_a_secret_pass(tmp_path: Path) -> None:
    """And nothing is told."""
    files = write(tmp_path, a_DOT_py="token = 'your_token_here'\n", README_DOT_md="set HF_TOKEN\n")
    assert refuse_secrets(tmp_path, files, NOTHING) == ()


@pytest.mark.parametrize("pattern", ["a.py", "*.py", "sub/", "sub/**", "/sub/a.py", "**/a.py"])
def test_a_path_is_allowed_by_a_pattern(tmp_path: Path, pattern: str) -> None:
    """As .gitignore has them."""
    files = write(tmp_path, sub__a_DOT_py=f"x = '{TOKEN}'\n")
    assert refuse_secrets(tmp_path, files, NOTHING, allowed=[pattern]) == ()


def test_a_fingerprint_allows_one_secret_of_one_file(tmp_path: Path) -> None:
    """The error says it; another secret in the same file is none the less found."""
    files = write(tmp_path, a_DOT_py=f"x = '{TOKEN}'\n")
    found = re.search(r'allow-secrets = \["(a\.py:[0-9a-f]{12})"\]', str(refused(tmp_path, files)))
    assert found is not None
    assert refuse_secrets(tmp_path, files, NOTHING, allowed=[found[1]]) == ()
    write(tmp_path, a_DOT_py=f"\n# moved\nx = '{TOKEN}'\n")
    assert refuse_secrets(tmp_path, files, NOTHING, allowed=[found[1]]) == ()
    write(tmp_path, a_DOT_py=f"x = '{TOKEN}'\ny = '{OTHER}'\n")
    assert refused(tmp_path, files, allowed=(found[1],)).found == (("a.py", 2, "a GitHub token"),)


@pytest.mark.parametrize(
    "text",
    [
        f"x = '{TOKEN}'  # {MARK}: of a test account\n",
        f"# {MARK}\nx = '{TOKEN}'\n",
        f"x: {TOKEN} # pragma: allowlist secret\n",
        f"const x = '{TOKEN}' // gitleaks:allow\n",
        f"<!-- {MARK} -->\n<p>{TOKEN}</p>\n",
    ],
)
def test_a_comment_allows_its_line(tmp_path: Path, text: str) -> None:
    """Or, alone on a line, the next; those of other scanners count."""
    assert refuse_secrets(tmp_path, write(tmp_path, a_DOT_txt=text), NOTHING) == ()


@pytest.mark.parametrize(
    "text", [f"# {MARK}\n\nx = '{TOKEN}'\n", f"y = 1  # {MARK}\nx = '{TOKEN}'\n", f"x = '{TOKEN}'\n# {MARK}\n"]
)
def test_a_comment_elsewhere_allows_nothing(tmp_path: Path, text: str) -> None:
    """What is allowed stands beside it."""
    refused(tmp_path, write(tmp_path, a_DOT_py=text))


def test_allowances_that_allow_nothing_are_told(tmp_path: Path) -> None:
    """What was allowed may be gone; the next secret there is not."""
    files = write(tmp_path, a_DOT_py=f"x = 1  # {MARK}\n")
    notes = refuse_secrets(tmp_path, files, NOTHING, allowed=["old/**", "a.py:0123456789ab"])
    assert [note.partition(",")[0] for note in notes[:2]] == [
        "! allow-secrets has 'old/**'",
        "! allow-secrets has 'a.py:0123456789ab'",
    ]
    assert notes[2].startswith("! a.py:1: ")
    assert len(notes) == 3


def test_an_allowance_that_is_no_pattern_is_refused(tmp_path: Path) -> None:
    """It would allow nothing, and nobody would know why."""
    with pytest.raises(SettingsError, match="allow-secrets has '!', which is no pattern"):
        refuse_secrets(tmp_path, (), NOTHING, allowed=["!"])


def test_a_private_key_is_found_under_any_name(tmp_path: Path) -> None:
    """Files are known by what is in them."""
    files = write(tmp_path, notes_DOT_txt=f"see below\n{private_keys()['OpenSSH']}")
    assert refused(tmp_path, files).found == (("notes.txt", 2, "a private key"),)


def test_binary_files_are_not_looked_into_and_utf16_is_no_binary_file(tmp_path: Path) -> None:
    """What git calls binary; Windows writes text with NUL bytes."""
    (tmp_path / "model.bin").write_bytes(b"\0\1\2" + TOKEN.encode())
    assert refuse_secrets(tmp_path, ["model.bin"], NOTHING) == ()
    for encoding in ("utf-16", "utf-16-be"):
        mark = b"" if encoding == "utf-16" else b"\xfe\xff"
        (tmp_path / "a.txt").write_bytes(mark + f"first\r\n{TOKEN}\r\n".encode(encoding))
        assert refused(tmp_path, ("a.txt",)).line == 2


def test_of_a_large_file_the_beginning_is_looked_at(tmp_path: Path) -> None:
    """And that is told."""
    (tmp_path / "a.csv").write_bytes(b"1,2,3\n" * 1_500_000 + TOKEN.encode())
    (note,) = refuse_secrets(tmp_path, ["a.csv"], NOTHING)
    assert note.startswith("! a.csv is large")
    (tmp_path / "a.csv").write_bytes(TOKEN.encode() + b"\n1,2,3" * 1_500_000)
    assert refused(tmp_path, ("a.csv",)).line == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It may have gone since it was listed."""
    with pytest.raises(BuildError) as caught:
        refuse_secrets(tmp_path, ["gone.py"], NOTHING)
    assert caught.value.path == "gone.py"


ENDPOINT = """\
from flash import Endpoint

@Endpoint(name="greeter", cpu="cpu3c-1-2", env={env})
def greet(name: str) -> str:
    return name
"""


@pytest.mark.parametrize("kind", ["a GitHub token", "an Azure storage key", "a password in a URL"])
def test_a_value_of_env_that_was_put_together_is_found_where_it_is_declared(tmp_path: Path, kind: str) -> None:
    """No file has it; the manifest would."""
    secret = known_shapes()[kind]
    middle = len(secret) // 2
    env = f'{{"VALUE": "{secret[:middle]}" + "{secret[middle:]}"}}'
    files = write(tmp_path, app_DOT_py=ENDPOINT.format(env=env))
    error = refused(tmp_path, files, app_of(tmp_path, files))
    assert ("app.py", 3, f"{kind} in env= of endpoint 'greeter'") in error.found
    assert secret[middle:] not in str(error)


def test_a_value_of_env_is_judged_by_its_name_too(tmp_path: Path) -> None:
    """A password looks like nothing."""
    value = assigned_values()["DB_PASSWORD"]
    files = write(tmp_path, app_DOT_py=ENDPOINT.format(env=f'{{"DB_PASSWORD": "{value[:5]}" + "{value[5:]}"}}'))
    error = refused(tmp_path, files, app_of(tmp_path, files))
    assert error.found == (("app.py", 3, "a password in an assignment in env= of endpoint 'greeter'"),)


def test_a_literal_of_env_is_named_once_and_allowed_once(tmp_path: Path) -> None:
    """Where it is written."""
    text = ENDPOINT.format(env=f'{{\n    "TOKEN": "{TOKEN}",\n    "KEY": {private_keys()["PKCS #8"]!r},\n}}')
    files = write(tmp_path, app_DOT_py=text)
    app = app_of(tmp_path, files)
    assert refused(tmp_path, files, app).found == (("app.py", 4, "a GitHub token"), ("app.py", 5, "a private key"))
    marked = text.replace(f'"{TOKEN}",', f'"{TOKEN}",  # {MARK}').replace("\\n'", f"\\n'  # {MARK} #", 1)
    marked = marked.replace(f"# {MARK} #,", f", # {MARK}")
    write(tmp_path, app_DOT_py=marked)
    assert refuse_secrets(tmp_path, files, app_of(tmp_path, files)) == ()


def test_what_was_put_together_is_allowed_beside_the_declaration(tmp_path: Path) -> None:
    """Or by its fingerprint."""
    text = ENDPOINT.format(env=f'{{"VALUE": "{TOKEN[:9]}" + "{TOKEN[9:]}"}}')
    text = text.replace(")\ndef", f")  # {MARK}\ndef")
    files = write(tmp_path, app_DOT_py=text)
    assert refuse_secrets(tmp_path, files, app_of(tmp_path, files)) == ()


def test_the_variables_of_a_template_are_looked_at(tmp_path: Path) -> None:
    """They end up beside those of env=."""
    text = (
        "from flash import Endpoint, PodTemplate\n\n"
        f'TEMPLATE = PodTemplate(env=[{{"key": "VALUE", "value": "{TOKEN[:9]}" + "{TOKEN[9:]}"}}])\n'
        '@Endpoint(name="greeter", cpu="cpu3c-1-2", template=TEMPLATE)\ndef greet(name: str) -> str:\n    return name\n'
    )
    files = write(tmp_path, app_DOT_py=text)
    assert refused(tmp_path, files, app_of(tmp_path, files)).line == 4


def test_many_are_counted(tmp_path: Path) -> None:
    """Fifty are shown."""
    lines = "\n".join(f"x = '{known_shapes(seed)['a Runpod key']}'" for seed in range(60))
    text = str(refused(tmp_path, write(tmp_path, a_DOT_py=lines)))
    assert "the first of 60:" in text
    assert text.endswith("and 10 more")


def test_an_expression_that_cannot_be_read_is_shown_without_its_secret(tmp_path: Path) -> None:
    """It is an error of its own, which comes first."""
    call = f'load("{TOKEN}") if undefined("{TOKEN}") else 3'
    files = write(tmp_path, app_DOT_py=ENDPOINT.format(env=f'{{"A": {call}}}'))
    with pytest.raises(DiscoveryError) as caught:
        app_of(tmp_path, files)
    assert TOKEN not in str(caught.value)
    assert "***" in str(caught.value)


def test_what_a_module_raises_is_told_without_its_secret(tmp_path: Path) -> None:
    """Where it had to be run to be read."""
    text = f'import sys\nif sys.version_info > (3,):\n    raise ValueError("bad token {TOKEN}")\n'
    files = write(tmp_path, app_DOT_py=text + ENDPOINT.format(env="{n: n for n in 'A'}"))
    with pytest.raises(DiscoveryError, match=r"bad token \*\*\*") as caught:
        app_of(tmp_path, files)
    assert TOKEN not in str(caught.value)


def test_a_secret_is_told_before_anything_else_that_is_wrong(tmp_path: Path) -> None:
    """Whose message may quote it; what is wrong besides is told where there is none."""
    files = write(tmp_path, app_DOT_py=f"x = '{TOKEN}'\nno python")
    secrets = Secrets()
    secrets.look_into(tmp_path, files)
    with pytest.raises(SecretFound), secrets.told_first():
        app_of(tmp_path, files)
    with pytest.raises(DiscoveryError), Secrets().told_first():
        app_of(tmp_path, files)
