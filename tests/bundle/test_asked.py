"""``requirements.txt`` as pip reads it: what stands there counts, or is refused with its place."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from fakes_bundle import project, write
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker, default_environment

from flash.bundle.asked import parse, refuse_unbuilt
from flash.bundle.listed import Listed, read_requirements
from flash.bundle.needs import applies, target_environment
from flash.errors import DependencyError
from flash.model.hardware import PYTHON_VERSIONS

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def read(root: Path, **files: str) -> Listed:
    project(root, {name.replace("__", "/") + ".txt": text for name, text in files.items()})
    return read_requirements(root / "requirements.txt", root)


def asked(listed: Listed) -> list[tuple[str, str]]:
    return [(each.text, each.by) for each in listed.asked]


def test_hashes_belong_to_their_line_also_where_it_is_continued(tmp_path: Path) -> None:
    """As pip-compile writes them; one hash asks for all."""
    listed = read(
        tmp_path,
        requirements=f"six==1.16 \\\n    --hash={ONE} \\\n    --hash={TWO}\n    # via -r requirements.in\n"
        f"attrs==20 --hash {ONE}\n",
    )
    assert asked(listed) == [
        (f"six==1.16 --hash={ONE} --hash={TWO}", "requirements.txt:1"),
        (f"attrs==20 --hash={ONE}", "requirements.txt:5"),
    ]
    assert listed.hashes_required
    assert not read(tmp_path, requirements="six\n").hashes_required
    assert read(tmp_path, requirements="--require-hashes\n").hashes_required


def test_constraints_ask_for_nothing(tmp_path: Path) -> None:
    """Of -c, in both spellings, with what these files include; relative to the file that names them."""
    listed = read(
        tmp_path,
        requirements="-c more/limits.txt\nsix\n",
        more__limits="six<2\n-r ../other.txt\n",
        other="attrs==20\n",
    )
    assert asked(listed) == [("six", "requirements.txt:2")]
    assert [(each.text, each.by) for each in listed.constraints] == [
        ("six<2", "more/limits.txt:1"),
        ("attrs==20", "other.txt:1"),
    ]
    assert [file.name for file in listed.files] == ["requirements.txt", "limits.txt", "other.txt"]


def test_options_of_indexes_are_kept_in_their_order(tmp_path: Path) -> None:
    """In every spelling; a folder is relative to the file that names it."""
    (tmp_path / "sub/wheels").mkdir(parents=True)
    listed = read(
        tmp_path,
        requirements="-i https://a.invalid/simple\n--extra-index-url=https://b.invalid/simple\n-r sub/more.txt\n",
        sub__more="-f wheels\n--find-links https://c.invalid/list.html\n--no-index\n--prefer-binary\n"
        "--only-binary :all:\n",
    )
    assert listed.options == [
        "--index-url https://a.invalid/simple",
        "--extra-index-url https://b.invalid/simple",
        f"--find-links {(tmp_path / 'sub/wheels').as_uri()}",
        "--find-links https://c.invalid/list.html",
        "--no-index",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--no-binary :all:", r"the option '--no-binary :all:' is not read\nhint: nothing is built"),
        ("--trusted-host a.invalid", r"is not read\nhint: set UV_INSECURE_HOST"),
        ("six --global-option=x", r"the option '--global-option=x' is not read"),
        ("-e ./lib", r"the option '-e \./lib' is not read\nhint: name a wheel of it"),
        ("six --hash=md5:00", "'md5:00' is no hash"),
        ("-f", "the option --find-links has no value"),
        ("-f nowhere", "there is no 'nowhere'"),
        ("-r https://a.invalid/r.txt", "'https://a.invalid/r.txt' is not fetched"),
        ("--extra-index-url https://${TOKEN}@a.invalid", "has a variable in it, which is not replaced"),
        ("six @ https://${TOKEN}@a.invalid/six-1-py3-none-any.whl", "has a variable in it, which is not replaced"),
        ("git+https://a.invalid/six.git", r"is in a repository: nothing is built from source\nhint: build its wheel"),
        ("https://a.invalid/six-1.tar.gz", "is no wheel: nothing is built from source"),
        ("https://a.invalid/six.whl", "is no requirement: .*six"),
        ("./wheels/six-1-py3-none-any.whl", "is no requirement: there is no './wheels/six-1-py3-none-any.whl'"),
        ("./lib", "'./lib' is a folder: nothing is built"),
        (".", r"'\.' is the project itself: nothing is built from source\nhint: its files ship as they are"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    """And with what to do about it."""
    (tmp_path / "lib").mkdir()
    with pytest.raises(DependencyError, match=rf"(?s)^requirements\.txt:2: .*{message}"):
        read(tmp_path, requirements=f"attrs\n{line}\n")


@pytest.mark.parametrize(
    "text",
    [
        "six @ git+https://user:secret@a.invalid/six.git@main",
        "six @ https://user:secret@a.invalid/six-1.tar.gz",
        "six @ file:///nowhere/six",
    ],
)
def test_a_url_of_no_wheel_is_refused_without_its_password(tmp_path: Path, text: str) -> None:
    """Once it is known that it is wanted: what is left out may come from anywhere."""
    (listed,) = read(tmp_path, requirements=text).asked
    with pytest.raises(DependencyError, match=r"^requirements\.txt:1: 'six.*nothing is built from source") as raised:
        refuse_unbuilt(listed)
    assert "secret" not in str(raised.value)


def test_a_wheel_may_be_named_by_its_path_or_url_alone(tmp_path: Path) -> None:
    """With extras and a marker; relative to the file that names it."""
    wheel = write(tmp_path / "sub/wheels/Six_More-1.0-py3-none-any.whl", "")
    listed = read(
        tmp_path,
        requirements="-r sub/more.txt\nhttps://a.invalid/six-1.0-py2.py3-none-any.whl#sha256=00\n",
        sub__more="./wheels/Six_More-1.0-py3-none-any.whl[x]; python_version >= '3.12'\n"
        "six-more @ file:wheels/Six_More-1.0-py3-none-any.whl",
    )
    one, two, three = (each.requirement for each in listed.asked)
    assert (one.name, one.url, one.extras, str(one.marker)) == (
        "six-more",
        wheel.as_uri(),
        {"x"},
        'python_version >= "3.12"',
    )
    assert (two.name, two.url) == ("six-more", wheel.as_uri())
    assert (three.name, three.url) == ("six", "https://a.invalid/six-1.0-py2.py3-none-any.whl#sha256=00")


def test_a_wheel_of_the_project_may_be_a_dependency_of_an_endpoint(tmp_path: Path) -> None:
    """Relative to the project's root."""
    write(tmp_path / "wheels/six-1.0-py3-none-any.whl", "")
    assert parse("wheels/six-1.0-py3-none-any.whl", path="a.py", line=1, folder=tmp_path).name == "six"


def test_every_variable_of_markers_is_the_targets() -> None:
    """None is left to what `packaging` finds out about this machine."""
    assert target_environment("3.12").keys() >= default_environment().keys()


variables = st.sampled_from(["python_version", "python_full_version", "implementation_version"])
versions = st.builds(lambda minor, patch: f"3.{minor}{patch}", st.integers(8, 15), st.sampled_from(["", ".0", ".5"]))
names = st.sampled_from(
    [
        ("sys_platform", "linux"),
        ("sys_platform", "win32"),
        ("platform_system", "Darwin"),
        ("platform_machine", "x86_64"),
        ("platform_machine", "aarch64"),
        ("os_name", "posix"),
        ("platform_python_implementation", "CPython"),
        ("implementation_name", "pypy"),
    ]
)
markers = st.recursive(
    st.builds(
        lambda v, op, x: f"{v} {op} '{x}'", variables, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), versions
    )
    | st.builds(lambda pair, op: f"{pair[0]} {op} '{pair[1]}'", names, st.sampled_from(["==", "!="])),
    lambda inner: st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=4,
)
worlds = st.fixed_dictionaries(
    {name: st.sampled_from(["", "3.9", "3.14.2", "win32", "Darwin", "arm64"]) for name in default_environment()}
)


@given(markers, st.sampled_from(PYTHON_VERSIONS), worlds)
def test_markers_say_the_same_on_every_machine(marker: str, python: str, world: dict[str, str]) -> None:
    """Of 3.10 to 3.13, whichever Python builds: the verdict is that of a machine which is the target."""
    import packaging.markers

    here = packaging.markers.default_environment
    requirement = parse(f"six; {marker}", path="r", line=1, folder=None)  # type: ignore[arg-type]  # no path in it
    expected = Marker(marker).evaluate(target_environment(python))
    packaging.markers.default_environment = lambda: world  # type: ignore[assignment,return-value]
    try:
        assert applies(requirement, target_environment(python)) == expected
    finally:
        packaging.markers.default_environment = here


requirements = st.builds(
    lambda name, extras, specifier, marker, hashed: (
        f"{name}{extras}{specifier}" + (f"; {marker}" if marker else "") + (f" --hash={ONE}" if hashed else "")
    ),
    st.sampled_from(["six", "PyYAML", "zope.interface", "ruamel_yaml"]),
    st.sampled_from(["", "[a]", "[a,b]"]),
    st.sampled_from(["", "==1.0", ">=1,<2", "~=1.4"]),
    st.sampled_from(["", "python_version >= '3.12'", "sys_platform == 'win32' or extra == 'x'"]),
    st.booleans(),
)


@given(st.lists(requirements, max_size=6), st.data())
def test_how_a_list_is_laid_out_changes_nothing(lines: list[str], data: st.DataObject) -> None:
    """Comments, blank lines, continued lines, line ends, and files that are included, from folders of their own."""
    with tempfile.TemporaryDirectory() as folder:
        plain, laid_out = Path(folder, "plain"), Path(folder, "laid-out")
        write(plain / "requirements.txt", "".join(f"{line}\n" for line in lines))
        laid_out.mkdir()
        text = "# what is needed\r\n\n"
        for number, line in enumerate(lines):
            one_of = [" ", " \\\n    ", "  ", " \\\r\n"]
            laid = line.replace(" ", data.draw(st.sampled_from(one_of)))
            laid += data.draw(st.sampled_from(["", "  # why", "\n# via six", "\n\n"]))
            if data.draw(st.booleans()):
                write(laid_out / f"more/{number}.txt", f"{laid}\n")
                laid = f"-r{data.draw(st.sampled_from([' ', '']))}more/{number}.txt"
            text += f"{laid}\n"
        (laid_out / "requirements.txt").write_bytes(text.encode("utf-8-sig"))
        one, two = (read_requirements(root / "requirements.txt", root) for root in (plain, laid_out))
        assert [each.text for each in one.asked] == [each.text for each in two.asked]
        assert one.hashes_required == two.hashes_required
