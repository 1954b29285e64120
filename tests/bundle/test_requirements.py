"""What is installed, what is left out, and who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_bundle import project

from flash.bundle.clashes import refuse_contradictions
from flash.bundle.install import Distribution
from flash.bundle.requirements import Requirements, plan_requirements
from flash.errors import BuildError, DependencyError
from flash.model.app import App, DeclaredEndpoint, Function, Location
from flash.model.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def endpoint(name: str, *dependencies: str, cpu: bool = False) -> DeclaredEndpoint:
    declared = Endpoint(name=name, dependencies=dependencies, cpu="cpu3c-1-2" if cpu else None)
    location = Location(f"{name}.py", 3)
    return DeclaredEndpoint(
        spec=declared.spec, functions=(Function(name=f"f_{name}", module=name, location=location),), location=location
    )


def plan(
    root: Path,
    *endpoints: DeclaredEndpoint,
    python_version: str = "3.12",
    exclude: Sequence[str] = (),
    bundle: Sequence[str] = (),
    imports: dict[str, frozenset[str]] | None = None,
) -> Requirements:
    return plan_requirements(
        App("demo", endpoints),
        root,
        exclude=exclude,
        bundle=bundle,
        python_version=python_version,
        imports=imports,
    )


def installed(**requires: tuple[str, ...]) -> list[Distribution]:
    return [Distribution(name, "1.0", 1, lines) for name, lines in requires.items()]


def test_all_sources_are_read_and_repeated_lines_once(tmp_path: Path) -> None:
    """requirements.txt, files that it includes, and every endpoint."""
    project(
        tmp_path,
        {
            "requirements.txt": "# comment\nsix==1.16  # why\n-r base/more.txt\n\nattrs \\\n  >= 20\n",
            "base/more.txt": "--requirement=../last.txt\nidna\n",
            "last.txt": "rich[jupyter]",
        },
    )
    assert plan(tmp_path, endpoint("a", "six==1.16", "click"), endpoint("b", "click")).install == (
        "attrs>=20",
        "click",
        "idna",
        "rich[jupyter]",
        "six==1.16",
    )


def test_markers_are_judged_for_the_target(tmp_path: Path) -> None:
    """The Python and the system that build do not matter."""
    dependencies = ("six; python_version >= '3.12'", "idna; python_version < '3.12'", "attrs; sys_platform == 'win32'")
    assert plan(tmp_path, endpoint("a", *dependencies)).install == ('six; python_version >= "3.12"',)
    old = plan(tmp_path, endpoint("a", *dependencies), python_version="3.11")
    assert old.install == ('idna; python_version < "3.12"',)


def test_what_a_marker_leaves_out_is_told_in_one_line(tmp_path: Path) -> None:
    """With who asks for it, the marker, and the target that it was judged for; each place once."""
    project(tmp_path, {"requirements.txt": "six\n\ncolorama; sys_platform == 'win32'\nidna; python_version < '3.9'\n"})
    settled = plan(
        tmp_path, endpoint("a", "idna; python_version<'3.9'", "attrs; extra == 'x'", "click; python_version >= '3.12'")
    ).settled(())
    assert settled.install == ('click; python_version >= "3.12"', "six")
    assert settled.notes == (
        (
            "left out, as its marker does not hold for the workers, Python 3.12 on Linux x86-64:"
            """ 'colorama; sys_platform == "win32"' (requirements.txt:3), 'idna; python_version < "3.9"'"""
            """ (requirements.txt:4), 'idna; python_version < "3.9"' (endpoint 'a'),"""
            """ 'attrs; extra == "x"' (endpoint 'a')"""
        ),
    )
    (note,) = plan(tmp_path, endpoint("a", "click; python_version >= '3.12'"), python_version="3.11").settled(()).notes
    assert "Python 3.11" in note
    assert note.endswith("""'click; python_version >= "3.12"' (endpoint 'a')""")


@pytest.mark.parametrize(
    "name", ["torch", "torchvision==0.20", "Torchaudio", "triton", "runpod-flash>=1", "pytest_flash"]
)
def test_what_workers_have_is_left_out(tmp_path: Path, name: str) -> None:
    """On GPU and CPU alike."""
    for cpu in (False, True):
        assert plan(tmp_path, endpoint("a", name, "six", cpu=cpu)).install == ("six",)


def test_bundle_ships_what_would_be_left_out(tmp_path: Path) -> None:
    """It is the user's word."""
    requirements = plan(tmp_path, endpoint("a", "torch"), bundle=["Torch"])
    assert requirements.install == ("torch",)
    assert requirements.settled(installed(torch=())).provided == {"a": ()}


def test_numpy_is_left_out_where_all_who_need_it_have_a_gpu_image(tmp_path: Path) -> None:
    """A CPU endpoint that needs none does not change that."""
    requirements = plan(tmp_path, endpoint("a", "numpy", "six"), endpoint("b", "six", cpu=True))
    assert requirements.install == ("six",)
    settled = requirements.settled(installed(six=()))
    assert settled.excluded == {"numpy": "the GPU image ships it"}
    assert settled.provided == {"a": ("numpy",), "b": ()}


@pytest.mark.parametrize("how", ["declared", "in requirements.txt", "imported"])
def test_numpy_is_bundled_where_a_cpu_endpoint_needs_it_and_the_build_says_so(tmp_path: Path, how: str) -> None:
    """Its image is plain Python."""
    project(tmp_path, {"requirements.txt": "numpy\n" if how == "in requirements.txt" else ""})
    requirements = plan(
        tmp_path,
        endpoint("a", "numpy"),
        endpoint("b", *(["numpy"] if how == "declared" else []), cpu=True),
        imports={"b": frozenset({"numpy"})} if how == "imported" else {},
    )
    assert requirements.install == ("numpy",)
    settled = requirements.settled(installed(numpy=()))
    assert settled.notes == ("bundled numpy: the image of CPU endpoint 'b' has none",)
    assert settled.provided == {"a": (), "b": ()}


def test_numpy_that_a_cpu_endpoint_needs_indirectly_is_found_after_installing(tmp_path: Path) -> None:
    """Through the metadata of what it asked for, extras included."""
    requirements = plan(tmp_path, endpoint("a", "numpy"), endpoint("b", "pandas[fast]", cpu=True))
    known = installed(pandas=("numexpr; extra == 'fast'", "x; extra == 'slow'"), numexpr=("NumPy>=1",))
    assert requirements.lacking(known) == {"numpy": "b"}
    assert requirements.lacking(installed(pandas=("x",))) == {}


def test_what_a_gpu_image_ships_is_provided_to_those_who_need_it(tmp_path: Path) -> None:
    """Declared, imported, or required by what is bundled."""
    requirements = plan(
        tmp_path,
        endpoint("a", "transformers"),
        endpoint("b", "torch"),
        endpoint("c"),
        endpoint("d", cpu=True),
        imports={"c": frozenset({"torchvision", "six"}), "d": frozenset({"torch"})},
    )
    settled = requirements.settled(installed(transformers=("numpy", "torch>=2; extra == 'torch'")))
    assert settled.provided == {"a": ("numpy",), "b": ("torch",), "c": ("torchvision",), "d": ()}
    (note,) = settled.notes
    assert note.startswith("endpoint 'd' needs torch, which neither its CPU image nor the artifact has")
    assert note.endswith('bundle = ["torch"] in [tool.flash] ships it')


def test_exclude_leaves_out_whoever_asks(tmp_path: Path) -> None:
    """An exclusion that matches nothing is said."""
    requirements = plan(tmp_path, endpoint("a", "scikit-learn", "SciPy"), exclude=["scipy", " Py_Yaml "])
    assert requirements.install == ("scikit-learn",)
    assert {"scipy", "py-yaml"} <= set(requirements.excluded)
    settled = requirements.settled([Distribution("scikit-learn", "1", 1, ("scipy",))])
    assert settled.excluded == {"scipy": "--exclude, or exclude in [tool.flash]"}
    assert settled.notes == ("nothing needs 'py-yaml', which is excluded",)


def test_excluded_and_bundled_is_an_error(tmp_path: Path) -> None:
    """One of the two is a mistake."""
    with pytest.raises(BuildError, match="'torch' is both excluded and bundled"):
        plan(tmp_path, endpoint("a"), exclude=["torch"], bundle=["torch"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("six\nnumpy>>1\n", r"^requirements\.txt:2: 'numpy>>1' is no requirement"),
        ("./local\n", r"^requirements\.txt:1: '\./local' is a folder: nothing is built from source"),
        ("-e .\n", r"^requirements\.txt:1: the option '-e \.' is not read"),
        ("--pre\n", r"^requirements\.txt:1: the option .* is not read"),
        ("six==1 --hash=sha256:0\n", r"^requirements\.txt:1: 'sha256:0' is no hash"),
        ("-r missing.txt\n", r"^requirements\.txt:1: there is no 'missing\.txt'"),
        ("-r requirements.txt\n", r"^requirements\.txt:1: 'requirements\.txt' includes itself"),
        ("-r two.txt\n", r"^two\.txt:1: 'requirements\.txt' includes itself"),
    ],
)
def test_a_line_that_is_no_requirement_is_an_error_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Nothing is skipped."""
    project(tmp_path, {"requirements.txt": text, "two.txt": "-r requirements.txt"})
    with pytest.raises(DependencyError, match=message):
        plan(tmp_path, endpoint("a"))


def test_a_dependency_that_is_no_requirement_names_its_endpoint(tmp_path: Path) -> None:
    """And the line of its declaration."""
    with pytest.raises(DependencyError, match=r"^a\.py:3: endpoint 'a': 'six = 1' is no requirement"):
        plan(tmp_path, endpoint("a", "six = 1"))


def test_a_requirements_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """It is not taken for an empty one."""
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DependencyError, match=r"^requirements\.txt: cannot read it"):
        plan(tmp_path, endpoint("a"))


@pytest.mark.parametrize("pin", ["pydantic<2", "pydantic==1.10.12", "pydantic~=1.10", "Pydantic<=1.99,>1"])
def test_a_pin_of_pydantic_below_2_is_an_error(tmp_path: Path, pin: str) -> None:
    """The runtime beside it needs 2."""
    with pytest.raises(BuildError, match=r"(?s)^a\.py:3: .* asks for pydantic below 2.*hint: .*pydantic\.v1"):
        plan(tmp_path, endpoint("a", pin))


@pytest.mark.parametrize("pin", ["pydantic", "pydantic>=1.10", "pydantic==2.11.*", "pydantic>=2,<3", "pydantic!=2.5"])
def test_a_pin_of_pydantic_that_allows_2_is_fine(tmp_path: Path, pin: str) -> None:
    """A range that reaches below is no pin below."""
    assert len(plan(tmp_path, endpoint("a", pin)).install) == 1


def test_a_failed_installation_names_the_requirement_and_who_asked(tmp_path: Path) -> None:
    """Both, where two do not agree."""
    project(tmp_path, {"requirements.txt": "six==1.15\n"})
    requirements = plan(tmp_path, endpoint("a", "six==1.16", "sixpack"))
    failure = DependencyError("cannot install the dependencies: no way", hint="h", detail="you require six==1.15")
    error = requirements.blame(failure)
    assert error.headline == (
        "requirements.txt:1: cannot install 'six==1.15' (requirements.txt:1) and 'six==1.16' (endpoint 'a'): no way"
    )
    assert (error.hint, error.detail) == ("h", "you require six==1.15")
    other = DependencyError("cannot install the dependencies: the index is not there")
    assert requirements.blame(other) is other


def test_one_endpoint_alone_may_be_planned(tmp_path: Path) -> None:
    """What the project's files ask for, and what it asks for itself."""
    project(tmp_path, {"requirements.txt": "idna\n"})
    requirements = plan(tmp_path, endpoint("a", "six==1.15"), endpoint("b", "six==1.16"))
    assert requirements.wanted("a").requirements == ("idna", "six==1.15")
    assert requirements.wanted("b").requirements == ("idna", "six==1.16")
    assert requirements.wanted().requirements == ("idna", "six==1.15", "six==1.16")


def test_conflicting_pins_of_two_endpoints_name_both(tmp_path: Path) -> None:
    """Both endpoints, both pins, both places."""
    requirements = plan(tmp_path, endpoint("first", "PyYAML==6.0.2"), endpoint("second", "pyyaml==6.0.1"))
    with pytest.raises(DependencyError) as raised:
        refuse_contradictions(requirements)
    assert raised.value.headline == (
        "second.py:3: 'pyyaml==6.0.1' (endpoint 'second') contradicts 'PyYAML==6.0.2' (endpoint 'first', at first.py:3)"
    )
    assert "share one set of distributions" in raised.value.hint


def test_a_pin_that_a_constraint_forbids_names_both(tmp_path: Path) -> None:
    """Constraints ask for nothing, and what something else asks for has to suit them."""
    project(tmp_path, {"requirements.txt": "-c limits.txt\n", "limits.txt": "six<1.16\nidna==1\n"})
    refuse_contradictions(plan(tmp_path, endpoint("a", "six==1.15")))
    assert plan(tmp_path, endpoint("a", "six==1.15")).wanted().constraints == ("idna==1", "six<1.16")
    with pytest.raises(
        DependencyError, match=r"^limits\.txt:1: 'six<1\.16' \(limits\.txt:1\) contradicts 'six==1\.16'"
    ):
        refuse_contradictions(plan(tmp_path, endpoint("a", "six==1.16")))


def test_who_asks_for_what_is_pinned_with_hashes_gets_that_line(tmp_path: Path) -> None:
    """With the extras that any of them asks for; what has no hash is refused, as in pip."""
    digest = f"--hash=sha256:{'1' * 64}"
    project(tmp_path, {"requirements.txt": f"six[x]==1.16 {digest}\n"})
    wanted = plan(tmp_path, endpoint("a", "six[y]>=1")).wanted()
    assert wanted.hashes_required
    assert wanted.requirements == (f"six[x,y]==1.16 {digest}",)
    with pytest.raises(
        DependencyError, match=r"^a\.py:3: 'idna' \(endpoint 'a'\) has no hash, and requirements\.txt asks"
    ):
        plan(tmp_path, endpoint("a", "idna"))
    assert plan(tmp_path, endpoint("a", "torch")).wanted().requirements == (f"six[x]==1.16 {digest}",)


def test_what_only_torch_needs_leaves_with_it(tmp_path: Path) -> None:
    """A list that was frozen names it all; what something else needs comes back, in the version of the list."""
    frozen = "torch==2.9\ntriton==3\nnvidia-cublas-cu12==12.8\nnvidia_nccl_cu12==2.27\nnvidia-ml-py==13\nxgboost==3\n"
    project(tmp_path, {"requirements.txt": frozen})
    requirements = plan(tmp_path, endpoint("a"))
    wanted = requirements.wanted()
    assert wanted.requirements == ("nvidia-ml-py==13", "xgboost==3")
    assert wanted.constraints == ("nvidia-cublas-cu12==12.8", "nvidia_nccl_cu12==2.27")
    assert not {"nvidia-cublas-cu12", "nvidia-nccl-cu12"} & set(wanted.excluded)
    settled = requirements.settled(
        installed(**{"xgboost": ("nvidia-nccl-cu12",), "nvidia-nccl-cu12": (), "nvidia-ml-py": ()})
    )
    assert settled.excluded == {
        "nvidia-cublas-cu12": "only torch needs it, which is left out",
        "torch": "the GPU image ships it",
        "triton": "the GPU image ships it",
    }


def test_what_torch_needs_stays_where_torch_does_or_nobody_asks_for_torch(tmp_path: Path) -> None:
    """Somebody may use it without torch."""
    project(tmp_path, {"requirements.txt": "torch\nnvidia-cublas-cu12\n"})
    assert plan(tmp_path, endpoint("a"), bundle=["torch"]).install == ("nvidia-cublas-cu12", "torch")
    assert plan(tmp_path, endpoint("a"), bundle=["nvidia-cublas-cu12"]).install == ("nvidia-cublas-cu12",)
    project(tmp_path, {"requirements.txt": "nvidia-cublas-cu12\n"})
    assert plan(tmp_path, endpoint("a", "nvidia-nccl-cu12")).install == ("nvidia-cublas-cu12", "nvidia-nccl-cu12")


def test_a_module_that_is_excluded_in_place_of_its_distribution_is_told(tmp_path: Path) -> None:
    """PyYAML has yaml: nothing is left out by the name of a module."""
    requirements = plan(tmp_path, endpoint("a", "PyYAML"), exclude=["yaml"])
    assert requirements.install == ("PyYAML",)
    (note,) = requirements.settled([Distribution("pyyaml", "6", 1, (), ("_yaml", "yaml"))]).notes
    assert note == "nothing needs 'yaml', which is excluded; pyyaml has a module of that name: is that meant?"


def test_what_is_excluded_may_be_what_cannot_be_installed(tmp_path: Path) -> None:
    """As may be what is for other systems only."""
    dependencies = ("x @ git+https://a.invalid/x", "y @ git+https://a.invalid/y ; sys_platform == 'win32'", "six")
    assert plan(tmp_path, endpoint("a", *dependencies), exclude=["x"]).install == ("six",)
    with pytest.raises(
        DependencyError, match=r"^a\.py:3: endpoint 'a': 'x @ git.*is in a repository: nothing is built"
    ):
        plan(tmp_path, endpoint("a", *dependencies))


def test_an_endpoint_gets_the_distributions_that_its_workers_may_load(tmp_path: Path) -> None:
    """What it and the project's files ask for, what its modules import, and all that these need or may use."""
    project(tmp_path, {"requirements.txt": "shared\n"})
    requirements = plan(
        tmp_path,
        endpoint("a", "pandas"),
        endpoint("b", "torchless"),
        imports={"a": frozenset(), "b": frozenset({"yaml", "cv2"})},
    )
    known = [
        Distribution("pandas", "1", 1, ("numpy>=1", "fastparquet; extra == 'x'")),
        Distribution("numpy", "1", 1),
        Distribution("fastparquet", "1", 1),
        Distribution("shared", "1", 1, ("numpy",)),
        Distribution("pyyaml", "1", 1, (), ("_yaml.py", "yaml")),
        Distribution("opencv-python-headless", "1", 1, ("numpy",), ("cv2.abi3.so",)),
        Distribution("torchless", "1", 1),
        Distribution("plugin", "1", 1, ("plugin-core",), is_plugin=True),
        Distribution("plugin-core", "1", 1),
    ]
    found = requirements.endpoint_distributions(known)
    names = {endpoint: [each.name for each in each_of] for endpoint, each_of in found.items()}
    assert names == {
        "a": ["fastparquet", "numpy", "pandas", "plugin", "plugin-core", "shared"],
        "b": ["numpy", "opencv-python-headless", "plugin", "plugin-core", "pyyaml", "shared", "torchless"],
    }
