"""The rules of the source tree, read from the syntax trees: every import counts, also one inside a function.

``ARCHITECTURE.md`` has the picture; the tables here are what is checked.
"""

from __future__ import annotations

import ast
import builtins
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SKELETON = ROOT / "flash/cli/skeleton"  # what `flash init` copies: a project of its own

# Lower layers first: a part may import parts of lower layers, and itself. Parts of one layer do not import each other.
LAYERS = (
    {"flash"},
    {"flash.errors"},
    {"flash.model", "flash.protection"},
    {
        "flash.alias",
        "flash.project",
        "flash.bundle",
        "flash.runtime",
        "flash.cloud",
        "flash.emulator",
        "flash.contract",
    },
    {"flash.deploy", "flash.clients"},
    {"flash.preview", "flash.report"},
    {"flash.cli", "pytest_flash"},
    {"flash.__main__"},
)
# (importer, imported) that the layers alone would forbid, with the reason.
EXTRA_EDGES = {
    ("flash", "flash.alias"): "after `import flash`, runpod_flash is found too, in the body of a finder",
    ("flash", "flash.clients"): "who sends what a script asks of endpoints, in the body of a function",
    ("flash.runtime", "flash.alias"): "handlers put the runpod_flash spelling in place",
    ("flash.bundle", "flash.alias"): "a module that has to be imported finds runpod_flash as in a worker",
    ("flash", "flash.errors"): "the table of public names, for type checkers",
    ("flash", "flash.model"): "the table of public names, for type checkers",
}

STDLIB = set(sys.stdlib_module_names)
PYDANTIC = {"pydantic", "pydantic_core", "typing_extensions"}  # the last two come with the first
# Modules (a trailing dot: everything below) and what they may import from outside, beside the standard library.
EVERYWHERE: dict[str, set[str]] = {
    "flash": set(),
    "flash.errors": set(),
    "flash.alias": set(),
    "flash.model.endpoint": set(),
    "flash.model.hardware": set(),
    "flash.model.app": set(),
    "flash.model.dispatch": set(),
    "flash.model.": PYDANTIC,
    "flash.runtime.routes": PYDANTIC | {"fastapi"},
    "flash.runtime.": PYDANTIC,
}
AT_MODULE_LEVEL: dict[str, set[str]] = {
    "pytest_flash": {"pytest"},
    "pytest_flash.plugin": {"pytest"},
    "pytest_flash.options": {"pytest"},
    "pytest_flash.fixtures": {"pytest"},
    "flash.__main__": set(),
    "flash.cli.main": set(),
    "flash.preview.pipeline": set(),  # who has not built, deployed or attached yet has not paid for it
}

# What may stand where: words in the source, and the modules (or, with a trailing dot, packages) that may use them.
PLACES = {
    "print and exit codes": (
        {"print", "exit", "quit", "sys.exit", "os._exit", "SystemExit"},
        {
            "flash.cli.",
            "flash.__main__",
            "pytest_flash.",
            "flash.bundle.evaluation_child",  # a process that does not wait for threads of the user's modules
        },
    ),
    "os.environ": (
        {"os.environ", "os.getenv", "os.environb", "os.putenv"},
        {
            "flash.project",
            "flash.cli.",
            "pytest_flash.plugin",
            "flash.runtime.worker",
            "flash.bundle.evaluation_child",  # notes what a user's module asks it for
        },
    ),
    "child processes": (
        {"subprocess", "multiprocessing", "os.fork", "os.system", "os.popen", "asyncio.create_subprocess_exec"},
        {
            "flash.bundle.install",
            "flash.bundle.evaluation",  # imports a module whose declarations cannot be read, never in this process
            "flash.emulator.launchers.",
            "flash.preview.describer",
            "flash.preview.local",
            "flash.preview.checkout",  # git
            "pytest_flash.stages",
            "flash.cli.child",  # `flash deploy` is a pytest run in a child
        },
    ),
}

LONGEST_MODULE = 350
# Longer modules, with the reason.
LONG_MODULES = {
    "flash.model.hardware": "tables of what the platform has",
    "flash.model.endpoint": "the constructor of Endpoint, each argument with its rules",
    "flash.model.schema": "every kind of annotation, one function each",
    "flash.project": "every key of [tool.flash], read and refused in one place",
    "flash.bundle.install": "everything that runs uv",
    "flash.bundle.modules": "scopes and names as the language has them",
    "flash.cli.services": "what the verbs do to the world: stated as a protocol, and done",
    "flash.cloud.client": "a method for each operation of the control plane",
    "flash.emulator.fleet": "a version's workers from start to end, in one state machine",
    "flash.emulator.queue": "every operation on jobs under one lock",
    "flash.emulator.versions": "every transition of a version, beside the others",
    "flash.preview.local": "everything in preview that runs a process",
    "pytest_flash.controller": "the order of a run, hook by hook",
    "pytest_flash.stages": "every stage, and everything in the plugin that runs a process",
}


class Module(NamedTuple):
    """A source file and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module
    lines: tuple[str, ...]


class Import(NamedTuple):
    """An imported module, absolute, and whether importing the importer loads it."""

    name: str
    line: int
    at_module_level: bool


@cache
def modules() -> dict[str, Module]:
    found = {}
    for package in ("flash", "pytest_flash"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if SKELETON in path.parents:
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, path, ast.parse(text), tuple(text.splitlines()))
    return found


@cache
def imports(name: str) -> tuple[Import, ...]:
    """Everything that module *name* imports; ``from package import module`` counts as the module."""
    return tuple(_imports(modules()[name].tree, at_module_level=True))


def _imports(node: ast.AST, *, at_module_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, at_module_level) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield Import(full if full in modules() else str(child.module), child.lineno, at_module_level)
        else:
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            yield from _imports(child, at_module_level=at_module_level and not inside and not for_types)


def part_of(module: str) -> str:
    """The row of the table of layers that *module* belongs to."""
    parts = [part for layer in LAYERS for part in layer]
    fitting = [part for part in parts if module == part or module.startswith(f"{part}.")]
    longest = max(fitting, key=len, default="")
    # Only the package's own __init__ is the part "flash"; what else fits nothing is in no layer.
    return longest if longest != "flash" or module == "flash" else ""


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in {"flash", "pytest_flash"}


def lookup(table: dict[str, set[str]], module: str) -> set[str] | None:
    """The row for *module* itself, else the one for a package that it is in, else None."""
    if module in table:
        return table[module]
    return next((row for key, row in table.items() if key.endswith(".") and f"{module}.".startswith(key)), None)


def is_among(module: str, places: set[str]) -> bool:
    return lookup({place: set() for place in places}, module) is not None


def where(module: str, line: int) -> str:
    return f"{modules()[module].path.relative_to(ROOT)}:{line}"


def dotted(node: ast.AST) -> str:
    """``os.environ`` for that expression; the empty string for anything but names and attributes."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def test_every_module_has_a_place_in_the_layers() -> None:
    """A new package is put into the table, and so into ARCHITECTURE.md's picture."""
    assert [name for name in modules() if not part_of(name)] == []


def test_layers_import_downwards_only() -> None:
    """A part may import what stands above it in the table, and nothing beside or below it."""
    rank = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    wrong = []
    for name in modules():
        importer = part_of(name)
        for found in imports(name):
            imported = part_of(found.name)
            if not is_ours(found.name) or imported == importer or (importer, imported) in EXTRA_EDGES:
                continue
            if rank[imported] >= rank[importer]:
                wrong.append(f"{where(name, found.line)}: {importer} imports {found.name}")
    assert wrong == []


def test_no_module_imports_itself_by_a_detour() -> None:
    """The graph of all imports has no cycle; the package's own table of public names is not an import of it."""
    graph = {
        name: sorted({found.name for found in imports(name)} & set(modules()) - {"flash", name}) for name in modules()
    }
    graph["flash"] = []
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> list[str]:
        if name in path:
            return [" → ".join((*path[path.index(name) :], name))]
        if name in done:
            return []
        found = [cycle for imported in graph[name] for cycle in visit(imported, (*path, name))]
        done.add(name)
        return found

    assert [cycle for name in graph for cycle in visit(name, ())] == []


@pytest.mark.parametrize(
    ("table", "only_module_level"), [(EVERYWHERE, False), (AT_MODULE_LEVEL, True)], ids=["everywhere", "module-level"]
)
def test_some_modules_need_nothing_but_python(table: dict[str, set[str]], *, only_module_level: bool) -> None:
    """What the user's code and the workers load stays small."""
    wrong = []
    for name in modules():
        allowed = lookup(table, name)
        if allowed is None:
            continue
        for found in imports(name):
            top = found.name.split(".")[0]
            if (found.at_module_level or not only_module_level) and not is_ours(top) and top not in STDLIB | allowed:
                wrong.append(f"{where(name, found.line)}: {found.name}")
    assert wrong == []


def test_a_light_module_loads_only_light_modules_of_ours() -> None:
    """What a module with a row in a table loads at import, directly or not, has one too, and allows no more."""
    rows = {name: row for name in modules() if (row := lookup(EVERYWHERE | AT_MODULE_LEVEL, name)) is not None}
    wrong = []
    for name, allowed in rows.items():
        for found in imports(name):
            if not found.at_module_level or not is_ours(found.name):
                continue
            outside = {
                top
                for loaded in _loaded(found.name)
                for one in imports(loaded)
                if one.at_module_level and not is_ours(top := one.name.split(".")[0])
            }
            if not outside <= STDLIB | allowed:
                wrong.append(f"{where(name, found.line)}: {found.name} loads {sorted(outside - STDLIB - allowed)}")
    assert wrong == []


def _loaded(name: str) -> set[str]:
    """Modules of ours that importing *name* loads, itself included."""
    loaded: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in loaded or current not in modules():
            continue
        loaded.add(current)
        waiting += [found.name for found in imports(current) if found.at_module_level]
    return loaded


@pytest.mark.parametrize("rule", PLACES)
def test_effects_have_their_places(rule: str) -> None:
    """Printing, the environment and child processes stand where somebody looks for them."""
    words, places = PLACES[rule]
    wrong = []
    for name, module in modules().items():
        if is_among(name, places):
            continue
        used = [(found.name, found.line) for found in imports(name)]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom):
                used += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
            elif isinstance(node, (ast.Name, ast.Attribute)):
                used.append((dotted(node), node.lineno))
        wrong += [f"{where(name, line)}: {word}" for word, line in used if word in words]
    assert wrong == []


def test_a_broad_except_says_why() -> None:
    """``except Exception`` is a decision; the reason stands on its line."""
    wrong = [
        where(name, node.lineno)
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and "# why:" not in module.lines[node.lineno - 1]
    ]
    assert wrong == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {dotted(one) for one in caught}
    if "BaseException" in names and any(isinstance(node, ast.Raise) and node.exc is None for node in handler.body):
        # It cleans up and lets everything through
        return False
    return bool(names & {"Exception", "BaseException"})


def test_flash_has_no_bare_assert() -> None:
    """An assertion vanishes under ``python -O``; the plugin's are pytest's business."""
    wrong = [
        where(name, node.lineno)
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if name.startswith("flash") and isinstance(node, ast.Assert)
    ]
    assert wrong == []


def test_every_exception_derives_from_flash_error() -> None:
    """A user can catch everything of ours by one name."""
    bases = {
        node.name: (name, node.lineno, [dotted(base).rpartition(".")[2] for base in node.bases])
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }

    def ancestors(name: str) -> set[str]:
        above = bases[name][2] if name in bases else []
        return {name}.union(*map(ancestors, above))

    def is_exception(name: str) -> bool:
        known = getattr(builtins, name, None)
        return isinstance(known, type) and issubclass(known, BaseException)

    wrong = [
        f"{where(module, line)}: {name}"
        for name, (module, line, _) in bases.items()
        if any(map(is_exception, ancestors(name))) and "FlashError" not in ancestors(name)
    ]
    assert wrong == []


def test_long_modules_are_listed_with_a_reason() -> None:
    """A hint, not a law: what is longer than 350 lines is a table, or says why."""
    long = {name for name, module in modules().items() if len(module.lines) > LONGEST_MODULE}
    assert long - set(LONG_MODULES) == set()
    assert set(LONG_MODULES) - set(modules()) == set()


def test_the_architecture_page_names_every_package() -> None:
    """ARCHITECTURE.md is where a newcomer looks first."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {
        str(module.path.parent.relative_to(ROOT))
        for module in modules().values()
        if module.path.name == "__init__.py" and module.path.parent.parent in {ROOT, ROOT / "flash"}
    } - {"flash"}
    single = {f"flash/{module.path.name}" for module in modules().values() if module.path.parent == ROOT / "flash"}
    expected = packages | single - {"flash/__init__.py", "flash/__main__.py"}
    assert sorted(name for name in expected if f"`{name}`" not in page) == []
