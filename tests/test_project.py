"""A project's root, settings, target, key and hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import flash
from flash import project as module
from flash.errors import BuildError, SettingsError
from flash.project import (
    EnvironmentSettings,
    Project,
    Settings,
    api_key,
    environment_name,
    find_root,
    flash_home,
    load_project,
    mixed_urls,
    program,
    runpod_urls,
    signing_key,
    target_of,
)

VARIABLES = ["RUNPOD_API_KEY", "RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL", "FLASH_LB_BASE_URL", "FLASH_TARGET"]
VARIABLES += ["RUNPOD_URL_MIXED_OK"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder called ``demo``."""
    folder = tmp_path / "demo"
    folder.mkdir()
    return folder.resolve()


def _settings(root: Path, text: str) -> Settings:
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    return load_project(root).settings


# ------------------------------------------------------------------------------------------------------------ Settings


def test_a_project_needs_no_settings(root: Path) -> None:
    """Its app is called like its folder."""
    expected = Settings(app="demo", python="3.12", exclude=(), bundle=(), size_limit_mib=500, environments={})
    assert load_project(root) == Project(root, expected)
    assert _settings(root, "[project]\nname = 'other'\n") == expected
    assert _settings(root, "[tool.flash]\n") == expected


def test_every_key_is_read(root: Path) -> None:
    """As DESIGN lists them."""
    settings = _settings(
        root,
        """
        [tool.flash]
        app = "shop"
        python = "3.11"
        exclude = ["scipy", " pandas ", "scipy"]
        bundle = ["torch"]
        dependency-group = "worker"
        size-limit-mib = 1500
        start-timeout-s = 90
        allow-secrets = ["fixtures/**", "a.py:0123456789ab"]

        [tool.flash.environments.staging]

        [tool.flash.environments.production]
        target = "local"
        accept-host-wheels = true
        """,
    )
    assert (settings.app, settings.python, settings.size_limit_mib) == ("shop", "3.11", 1500)
    assert (settings.exclude, settings.bundle) == (("scipy", "pandas"), ("torch",))
    assert settings.dependency_group == "worker"
    assert settings.size_limit_bytes == 1500 * 2**20
    assert settings.start_timeout_s == 90
    assert settings.allow_secrets == ("fixtures/**", "a.py:0123456789ab")
    assert settings.environments == {
        "staging": EnvironmentSettings(None, accept_host_wheels=False),
        "production": EnvironmentSettings("local", accept_host_wheels=True),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.flash]\npyton = '3.11'", "unknown key 'pyton'\nhint: did you mean 'python'?"),
        ("[tool.flash]\nsize_limit_mib = 5", "did you mean 'size-limit-mib'"),
        ("[tool.flash]\nxyzzy = 5", "unknown key 'xyzzy'\nhint: it is one of app, python"),
        (
            "[tool.flash.environments.a]\ntargt = 'local'",
            "unknown key 'environments.a.targt'\nhint: did you mean 'target'",
        ),
        ("[tool.flash.environments.a]\ntarget = 'locl'", "environments.a.target is 'locl'\nhint: did you mean 'local'"),
        ("[tool.flash.environments.a]\ntarget = 3", "environments.a.target is 3"),
        ("[tool.flash.environments.a]\naccept-host-wheels = 'yes'", "accept-host-wheels is 'yes'"),
        ("[tool.flash.environments.'a b']", "environment name 'a b'"),
        ("[tool.flash.environments]\na = 'local'", "environments.a is 'local'"),
        ("[tool.flash]\nenvironments = ['a']", "environments is ['a']"),
        ("[tool.flash]\ndependency-group = ['a']", "dependency-group is ['a'], which is no name"),
        ("[tool.flash]\npython = 3.11", "python is 3.11, which is no string"),
        ("[tool.flash]\npython = '3.9'", "no Python '3.9'\nhint: they have 3.10, 3.11, 3.12, 3.13"),
        ("[tool.flash]\napp = ''", "app name ''"),
        ("[tool.flash]\napp = 3", "app name 3"),
        ("[tool.flash]\nexclude = 'scipy'", "exclude is 'scipy', which is no list"),
        ("[tool.flash]\nbundle = [3]", "bundle is [3]"),
        ("[tool.flash]\nexclude = ['a']\nbundle = ['a']", "exclude and bundle both have 'a'"),
        ("[tool.flash]\nsize-limit-mib = 0", "size-limit-mib is 0"),
        ("[tool.flash]\nsize-limit-mib = true", "size-limit-mib is True"),
        ("[tool.flash]\nstart-timeout-s = '1'", "start-timeout-s is '1', which is no whole number of seconds"),
        ("[tool.flash]\nreceipt-keys = 'ssh-ed25519 A'", "receipt-keys is no list of public keys"),
        ("[tool.flash.environments.a]\nreceipt-keys = [3]", "environments.a.receipt-keys is no list of public keys"),
        ("[tool]\nflash = 3", "3 is no table"),
        ("[tool.flash\n", "is not TOML"),
    ],
)
def test_wrong_settings_are_refused(root: Path, text: str, expected: str) -> None:
    """With the file, the key and its value."""
    with pytest.raises(SettingsError) as caught:
        _settings(root, text)
    assert expected in str(caught.value)
    assert caught.value.path == str(root / "pyproject.toml")


def test_an_environment_s_receipt_keys_replace_the_project_s(root: Path) -> None:
    """An empty list too: there, receipts need no signature."""
    settings = _settings(
        root,
        """
        [tool.flash]
        receipt-keys = ["ssh-ed25519 A"]
        [tool.flash.environments.production]
        receipt-keys = ["ssh-ed25519 B"]
        [tool.flash.environments.staging]
        receipt-keys = []
        """,
    )
    assert settings.receipt_keys_for("production") == ("ssh-ed25519 B",)
    assert settings.receipt_keys_for("staging") == ()
    assert settings.receipt_keys_for("other") == ("ssh-ed25519 A",)


def test_the_signing_key_is_a_file_or_its_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault may hand out line ends as two characters; a value that is neither is not repeated."""
    monkeypatch.delenv("FLASH_SIGNING_KEY", raising=False)
    assert signing_key() is None
    (root / "key.pem").write_bytes(b"a key")
    monkeypatch.setenv("FLASH_SIGNING_KEY", str(root / "key.pem"))
    assert signing_key() == b"a key"
    monkeypatch.setenv("FLASH_SIGNING_KEY", r"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----")
    assert signing_key() == b"-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"
    monkeypatch.setenv("FLASH_SIGNING_KEY", "hunter2")
    with pytest.raises(SettingsError, match="names no file") as caught:
        signing_key()
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused(root: Path) -> None:
    """Nothing is taken from it."""
    (root / "pyproject.toml").write_bytes(b"[tool.flash]\napp = '\xff'\n")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        load_project(root)


def test_options_win_over_settings(root: Path) -> None:
    """The app is replaced, exclusions are added, and what is excluded is not bundled."""
    (root / "pyproject.toml").write_text("[tool.flash]\napp = 'a'\nexclude = ['x']\nbundle = ['torch', 'triton']\n")
    settings = load_project(root, app="b", exclude=["y", "torch", " ", "x "]).settings
    assert (settings.app, settings.exclude, settings.bundle) == ("b", ("x", "y", "torch"), ("triton",))
    with pytest.raises(SettingsError, match="app name 'a b'"):
        load_project(root, app="a b")


def test_an_app_is_called_like_its_folder_as_far_as_names_go(tmp_path: Path) -> None:
    """What a name cannot have becomes a hyphen; where nothing is left, a name is asked for."""
    (tmp_path / "my app (2)").mkdir()
    (tmp_path / "___").mkdir()
    assert load_project(tmp_path / "my app (2)").settings.app == "my-app-2"
    with pytest.raises(SettingsError, match=r"hint: set app = "):
        load_project(tmp_path / "___")


# ---------------------------------------------------------------------------------------------------------------- Root


def test_the_root_is_the_nearest_folder_with_a_table(root: Path) -> None:
    """At or above a file or folder, whether that exists or not; tables of other tools do not count."""
    deep = root / "tests" / "unit"
    deep.mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.flash]\n")
    (root / "tests" / "pyproject.toml").write_text("[tool.flashy]\n[tool.other]\nkey = '[tool.flash]'\n")
    (deep / "test_x.py").write_text("")
    for start in (root, deep, deep / "test_x.py", deep / "gone" / "test_y.py"):
        assert find_root(start) == root
        assert find_root(start, fallback=root / "tests") == root


@pytest.mark.parametrize(
    "line",
    ["[tool.flash]", "[tool.flash.environments.a]", "  [ tool . flash ]", '[tool."flash"]', "x = 1\n[tool.flash]"],
)
def test_a_table_may_be_spelt_in_any_way(root: Path, line: str) -> None:
    """That TOML allows, with subtables."""
    (root / "sub").mkdir()
    (root / "pyproject.toml").write_text(line + "\n")
    assert find_root(root / "sub") == root


def test_a_broken_file_is_found_and_then_reported(root: Path) -> None:
    """Not passed over in favour of the folder above."""
    (root / "pyproject.toml").write_text("[tool.flash]\napp = \n")
    assert find_root(root) == root
    with pytest.raises(
        SettingsError, match=r"pyproject\.toml: is not TOML: .*line 2.*\nhint: correct it at that place"
    ):
        load_project(root)


def test_without_a_table_the_fallback_counts(root: Path) -> None:
    """Else where the search began."""
    (root / "sub").mkdir()
    (root / "sub" / "a.py").write_text("")
    assert find_root(root / "sub" / "a.py", fallback=root) == root
    assert find_root(root / "sub" / "a.py") == root / "sub"


def test_what_the_user_says_wins(root: Path) -> None:
    """It has to be a folder."""
    (root / "sub").mkdir()
    (root / "pyproject.toml").write_text("[tool.flash]\n")
    assert find_root(root, explicit=root / "sub", fallback=root) == root / "sub"
    with pytest.raises(SettingsError, match="is no folder"):
        find_root(root, explicit=root / "gone")


def test_the_flash_folder_ignores_itself(root: Path) -> None:
    """Version control sees nothing of it, and a file of the user's is kept."""
    project = load_project(root)
    assert project.make_flash_dir() == root / ".flash"
    assert (root / ".flash" / ".gitignore").read_text() == "*\n"
    (root / ".flash" / ".gitignore").write_text("mine\n")
    project.make_flash_dir()
    assert (root / ".flash" / ".gitignore").read_text() == "mine\n"
    assert (project.artifact_path, project.manifest_path) == (
        root / ".flash" / "artifact.tar.gz",
        root / ".flash" / "flash_manifest.json",
    )


def test_a_flash_folder_that_cannot_be_made_is_an_error(root: Path) -> None:
    """It names the folder."""
    (root / ".flash").write_text("a file")
    with pytest.raises(BuildError, match=re.escape(str(root / ".flash"))):
        load_project(root).make_flash_dir()


# ---------------------------------------------------------------------------------------------- Environment and target


def _project(root: Path, **environments: EnvironmentSettings) -> Project:
    return Project(root, Settings(app="demo", environments=environments))


def test_the_environment_is_the_one_named_or_the_only_one_or_production(root: Path) -> None:
    """Configured or existing."""
    none, one = _project(root), _project(root, staging=EnvironmentSettings())
    assert (environment_name(one, "qa"), environment_name(one, None)) == ("qa", "staging")
    assert (environment_name(none, None), environment_name(none, None, existing=["qa"])) == ("production", "qa")
    assert environment_name(one, None, existing=["staging"]) == "staging"


def test_several_environments_are_listed(root: Path) -> None:
    """One of them has to be named."""
    several = _project(root, b=EnvironmentSettings(), a=EnvironmentSettings())
    with pytest.raises(SettingsError, match=r"several environments: a, b, c\nhint: say --env a"):
        environment_name(several, None, existing=["c"])


@pytest.mark.parametrize("name", ["", "a b", "-x"])
def test_an_environments_name_is_a_name(root: Path, name: str) -> None:
    """As an endpoint's is."""
    with pytest.raises(SettingsError, match="environment name"):
        environment_name(_project(root), name)


def test_the_option_beats_the_variable_beats_the_settings_beats_the_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In that order."""
    project = _project(root, production=EnvironmentSettings("local"), staging=EnvironmentSettings())
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    assert target_of(project, "staging", None) == "runpod"
    assert target_of(project, "elsewhere", None) == "runpod"
    assert target_of(project, "production", None) == "local"
    monkeypatch.setenv("FLASH_TARGET", "runpod")
    assert target_of(project, "production", None) == "runpod"
    assert target_of(project, "production", "local") == "local"


def test_without_key_and_target_nothing_is_assumed(root: Path) -> None:
    """Never a silent local deployment."""
    with pytest.raises(
        SettingsError, match=r"no target, and there is no API key\nhint: set RUNPOD_API_KEY .* --target local"
    ):
        target_of(_project(root), "production", None)


def test_an_environment_that_the_settings_do_not_have_is_told_beside_those_that_they_have(root: Path) -> None:
    """A misspelt name is likelier than a missing key."""
    several = _project(root, staging=EnvironmentSettings(), production=EnvironmentSettings("runpod"))
    with pytest.raises(SettingsError, match="the settings have no such environment, but production, staging\n"):
        target_of(several, "nope", None)
    with pytest.raises(SettingsError, match="there is no API key\n"):
        target_of(several, "staging", None)


@pytest.mark.parametrize("name", ["", "x" * 300])
def test_a_name_of_the_command_line_is_not_looked_for_in_a_file(root: Path, name: str) -> None:
    """The hint is about the name, and a long one does not bury the message."""
    with pytest.raises(SettingsError, match="app name '") as app:
        load_project(root, app=name)
    with pytest.raises(SettingsError, match="environment name '") as environment:
        environment_name(_project(root), name)
    for error in (app.value, environment.value):
        assert "pyproject" not in str(error)
        assert "another name" in error.hint
        assert "x" * 61 not in str(error)


def test_a_target_is_runpod_or_local(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where the word stood."""
    with pytest.raises(SettingsError, match=r"the target is 'runpodd'\nhint: did you mean 'runpod'"):
        target_of(_project(root), "production", "runpodd")
    monkeypatch.setenv("FLASH_TARGET", "locale")
    with pytest.raises(SettingsError, match="FLASH_TARGET is 'locale'"):
        target_of(_project(root), "production", None)


# ----------------------------------------------------------------------------------------------------------------- Key


def test_the_key_comes_from_the_environment_then_dotenv_then_the_login(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank one counts as none."""
    project = load_project(root)
    assert api_key(project) is None
    flash_home().mkdir()
    (flash_home() / "credentials.json").write_text(json.dumps({"api_key": "from-login"}))
    assert api_key(project) == "from-login"
    (root / ".env").write_text("OTHER=1\nexport RUNPOD_API_KEY='from-dotenv'\n")
    assert api_key(project) == "from-dotenv"
    monkeypatch.setenv("RUNPOD_API_KEY", " from-environment ")
    assert api_key(project) == "from-environment"
    monkeypatch.setenv("RUNPOD_API_KEY", " ")
    assert api_key(project) == "from-dotenv"
    (root / ".env").write_text("RUNPOD_API_KEY=\n")
    assert api_key(project) == "from-login"


def test_dotenv_is_not_exported(root: Path) -> None:
    """What is in it concerns the key only."""
    (root / ".env").write_text("RUNPOD_API_KEY=abc\nFLASH_TEST_OTHER=1\n")
    before = dict(os.environ)
    assert api_key(load_project(root)) == "abc"
    assert dict(os.environ) == before


def test_an_unreadable_dotenv_is_an_error(root: Path) -> None:
    """And not an absent key."""
    (root / ".env").write_bytes(b"RUNPOD_API_KEY=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env: cannot be read as text"):
        api_key(load_project(root))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"api_key": 3}', '"sk-secret'])
def test_an_unreadable_login_is_an_error(root: Path, content: str) -> None:
    """Which does not quote the file."""
    flash_home().mkdir()
    (flash_home() / "credentials.json").write_text(content)
    with pytest.raises(SettingsError, match=r"hint: delete it, and log in again") as caught:
        api_key(load_project(root))
    assert "sk-secret" not in str(caught.value)


def test_the_home_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else the system's place for the user's state."""
    assert flash_home() == tmp_path / "home"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLASH_HOME", "~/elsewhere")
    assert flash_home() == tmp_path / "elsewhere"
    monkeypatch.setenv("FLASH_HOME", " ")
    assert flash_home().name == "flash"
    assert flash_home().is_absolute()


def test_the_environment_is_handed_out_as_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing it changes nothing."""
    monkeypatch.setenv("FLASH_TEST", "1")
    copy = module.environment()
    copy["FLASH_TEST"] = "2"
    assert os.environ["FLASH_TEST"] == "1"


# ---------------------------------------------------------------------------------------------------------------- URLs


def test_without_variables_the_urls_are_runpods() -> None:
    """And load-balanced endpoints' are derived."""
    assert runpod_urls() == (module.DEFAULT_API_URL, module.DEFAULT_DATA_URL, None)


def test_variables_move_the_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks around them and slashes at their end do not count; a blank one is unset."""
    monkeypatch.setenv("RUNPOD_API_BASE_URL", " http://127.0.0.1:9911/ ")
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "http://127.0.0.1:9911/v2//")
    monkeypatch.setenv("FLASH_LB_BASE_URL", " ")
    assert runpod_urls() == ("http://127.0.0.1:9911", "http://127.0.0.1:9911/v2", None)
    monkeypatch.setenv("FLASH_LB_BASE_URL", "http://127.0.0.1:9911/lb/")
    assert runpod_urls()[2] == "http://127.0.0.1:9911/lb"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9911", "ftp://host", "http://", "http://host:port", "http://:80", "http://[x"]
)
@pytest.mark.parametrize("variable", ["RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL", "FLASH_LB_BASE_URL"])
def test_a_wrong_url_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, url: str) -> None:
    """By the variable's name."""
    monkeypatch.setenv(variable, url)
    with pytest.raises(SettingsError, match=f"{variable} is no http or https URL"):
        runpod_urls()


@pytest.mark.parametrize(
    ("moved", "left"),
    [("RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL"), ("RUNPOD_ENDPOINT_BASE_URL", "RUNPOD_API_BASE_URL")],
)
def test_moving_half_of_the_platform_is_worth_a_note(monkeypatch: pytest.MonkeyPatch, moved: str, left: str) -> None:
    """Unless it is meant; whoever only wants the addresses gets them, with warnings as errors too."""
    assert mixed_urls() is None
    monkeypatch.setenv(moved, "http://127.0.0.1:9911")
    note = mixed_urls()
    assert note is not None
    assert note.startswith(f"{moved} is set and {left} is not")
    assert "http://127.0.0.1:9911" in runpod_urls()
    monkeypatch.setenv("RUNPOD_URL_MIXED_OK", "Yes")
    assert mixed_urls() is None


# -------------------------------------------------------------------------------------------------------------- Import


def test_importing_it_loads_no_parser() -> None:
    """What only some commands need, they load."""
    parsers = {"tomllib", "tomli", "dotenv", "platformdirs", "json"}
    code = f"import flash.project, sys; print(sorted({parsers} & set(sys.modules)))"
    command = [sys.executable, "-S", "-c", code]
    environment: dict[str, Any] = {"PYTHONPATH": str(Path(flash.__file__).parents[1])}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


def test_the_command_line_is_called_as_the_users_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its path where another one, or none, is found; by the interpreter where it was not installed."""
    here, elsewhere = tmp_path / "my venv", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
        (folder / "flash").touch(mode=0o755)
    python = str(here / "python")
    monkeypatch.setenv("PATH", str(here))
    assert program(python) == "flash"
    for path in (str(elsewhere), ""):
        monkeypatch.setenv("PATH", path)
        assert program(python) == f"'{here}/flash'"
    assert program(str(tmp_path / "python")) == f"{tmp_path}/python -m flash"
