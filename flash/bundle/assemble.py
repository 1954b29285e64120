"""A project becomes an artifact: every step, in order, and nothing under a final name before all have succeeded."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from flash.bundle import archive, memo
from flash.bundle.archive import mebibytes
from flash.bundle.checks import audit
from flash.bundle.clashes import hidden_in_sets, refuse_clashes, refuse_old_pydantic, refuse_taken_names
from flash.bundle.derived import derived_schemas
from flash.bundle.describe import Describer, about_undescribed, describe
from flash.bundle.discover import app_of
from flash.bundle.files import write_text
from flash.bundle.fingerprints import endpoint_fingerprints, source_fingerprint
from flash.bundle.handlers import handler_name
from flash.bundle.importable import Importable
from flash.bundle.layers import Damaged, Member
from flash.bundle.manifests import manifest_of
from flash.bundle.modules import Modules, read_modules
from flash.bundle.packing import Packing
from flash.bundle.parsing import uncollected
from flash.bundle.request import BuildRequest
from flash.bundle.requirements import Requirements, plan_requirements
from flash.bundle.secrets import Secrets
from flash.bundle.sets import EndpointSets, endpoint_sets
from flash.bundle.sizes import size_table
from flash.bundle.snapshot import Snapshot
from flash.bundle.sources import project_files
from flash.bundle.staging import ARTIFACT_NAME, flash_folder, own_members, stage, staged
from flash.model.manifest import MANIFEST_NAME, Artifact
from flash.model.openapi import OPENAPI_NAME, openapi, openapi_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from flash.bundle.cache import Cache, Schemas
    from flash.bundle.evaluation import Evaluation
    from flash.bundle.install import Distribution, Installer, Report
    from flash.bundle.layers import Layer
    from flash.bundle.modules import Module
    from flash.bundle.sources import Sources
    from flash.bundle.staging import Members
    from flash.bundle.trees import DistributionSet
    from flash.bundle.wanted import Wanted
    from flash.model.app import App
    from flash.model.manifest import Manifest

__all__ = ["ARTIFACT_NAME", "BuildRequest", "Describer", "build"]


_MOST_NAMED: Final = 5


def build(
    request: BuildRequest, *, installer: Installer, describer: Describer, cache: Cache, report: Report
) -> Artifact:
    """Build the artifact into ``.flash/`` of the project.

    Args:
        request: What to build.
        installer: Where distributions come from.
        describer: What reads signatures.
        cache: What earlier builds have left.
        report: Takes lines for the user.

    Raises:
        BuildError: The project cannot become an artifact. One that was built before stays.
        DeclarationError: An endpoint's definition is wrong.
    """
    # syntax trees stay as long as the build does: looking for garbage among them finds none
    with uncollected():
        try:
            return _Build(request, installer, describer, cache, report).run()
        except Damaged as error:
            report(f"! {error}, and made again")
            cache.forget(error.place)
        return _Build(request, installer, describer, cache, report).run()


class _Build:
    """One build. What it tells the user is kept, to be told again where the same is not built again."""

    def __init__(
        self, request: BuildRequest, installer: Installer, describer: Describer, cache: Cache, report: Report
    ) -> None:
        self._request = request
        self._installer = installer
        self._describer = describer
        self._cache = cache
        self._progress = report
        self._notes: list[str] = []
        self._has_evaluated = False

    def run(self) -> Artifact:
        """Build it."""
        request = self._request
        sources = project_files(request.root)
        snapshot = Snapshot.of(request.root, sources.files)
        key = memo.key(request, sources, snapshot, describer=self._describer.identity)
        secrets = Secrets(request.allowed_secrets)
        contents = snapshot.contents
        secrets.look_into(request.root, sources.files, contents)
        # an error of what follows may quote the line that has one
        with secrets.told_first():
            modules = read_modules(request.root, sources.files, contents)
            app = app_of(
                modules, request.root, app_name=request.app_name, ignored=sources.ignored, evaluate=self._evaluate
            )
        secrets.look_at(app)
        self._tell(f"found {_count(len(app.endpoints), 'endpoint')}: {', '.join(endpoint.name for endpoint in app)}")
        for line in (*secrets.refuse(), *app.notes, *_about_sources(sources)):
            self._tell(line)
        refuse_taken_names(sources.files, app, for_runpod=request.for_runpod)
        folder = flash_folder(request.root)
        staging = folder / ".build"
        packing = Packing(self._cache, tell=self._tell, progress=self._progress)
        with staged(folder, staging, keep=request.keep_build_dir), packing:
            sets = self._install(app, modules)
            for found in sets.installed:
                refuse_clashes(sources.files, found.distributions, source_folder=modules.source_folder)
            own = own_members(app, snapshot, sets, source_folder=modules.source_folder)
            hidden = {*own, MANIFEST_NAME, OPENAPI_NAME, *hidden_in_sets(sources.files, sets.installed)}
            # while everything else happens, which needs none of it
            digests = {path: file.sha256 for path, file in snapshot.files.items()}
            packing.start(sets.installed, tuple(own.values()), hidden=hidden, digests=digests)
            # first: what cannot be imported has its reason there
            for line in audit(request, app, modules, sources, sets, self._cache, self._progress):
                self._tell(line)
            manifest = self._manifest(app, modules, snapshot, own, sets, staging)
            described = openapi_text(openapi(manifest))
            own[OPENAPI_NAME] = Member.of_text(OPENAPI_NAME, described)
            text = manifest.text()
            own[MANIFEST_NAME] = Member.of_text(MANIFEST_NAME, text)
            digest, size = archive.write(
                folder / ARTIFACT_NAME,
                _checked(packing.layers(own.values()), snapshot),
                limit_bytes=request.size_limit_bytes,
                largest=_largest(own.values(), sets.distributions),
                table=lambda: size_table(sets.weighed, {one.name: one.size for one in own.values()}),
            )
            write_text(folder / MANIFEST_NAME, text)
            write_text(request.root / OPENAPI_NAME, described)
            if request.keep_build_dir:
                self._keep(staging, own, sets, hidden)
        files = tuple(sorted({*(path for path in sets.contents if path not in hidden), *own}))
        self._progress(f"packed {_count(len(files), 'file')} ({mebibytes(size)}), sha256 {digest[:12]}")
        artifact = Artifact(folder / ARTIFACT_NAME, digest, size, manifest, files)
        if not self._has_evaluated:
            memo.remember(
                artifact,
                key=key,
                wanted=[each.wanted for each in sets.sets],
                installs=[each.found.key for each in sets.sets],
                beside=sets.files,
                fresh_until=sets.fresh_until,
                notes=self._notes,
            )
        return artifact

    def _tell(self, line: str) -> None:
        self._notes.append(line)
        self._progress(line)

    def _evaluate(self, root: Path, wanted: Sequence[Module], modules: Modules) -> Mapping[str, Evaluation]:
        from flash.bundle.evaluation import evaluate_modules

        # what it finds may depend on the day
        self._has_evaluated = True
        return evaluate_modules(root, wanted, modules)

    def _install(self, app: App, modules: Modules) -> EndpointSets:
        request = self._request
        imports = _imports(app, modules)

        def plan(part: App, besides: tuple[str, ...]) -> Requirements:
            return plan_requirements(
                part,
                request.root,
                exclude=request.exclude,
                bundle=(*request.bundle, *besides),
                python_version=request.python_version,
                imports=imports,
                dependency_group=request.dependency_group,
            )

        def install(wanted: Wanted) -> DistributionSet:
            return self._cache.distributions(wanted, self._installer, self._progress, renew=request.upgrade)

        sets = endpoint_sets(app, plan=plan, install=install, is_one=request.one_set)
        for found in sets.installed:
            refuse_old_pydantic(found.distributions)
        if all(found.is_reused for found in sets.installed):
            self._progress(f"{_count(len(sets.distributions), 'distribution')} as in the build before")
        for line in sets.about():
            self._tell(line)
        requirements = sets.requirements
        for name, reason in sorted(requirements.excluded.items()):
            self._tell(f"left out {name}: {reason}")
        for note in (*requirements.notes, *_about_images(app)):
            self._tell(note)
        return sets

    def _manifest(
        self,
        app: App,
        modules: Modules,
        snapshot: Snapshot,
        own: Members,
        sets: EndpointSets,
        staging: Path,
    ) -> Manifest:
        python_version = self._request.python_version
        derived = self._derived(app, modules, own, sets)
        files = {path: file.sha256 for path, file in snapshot.files.items()}
        manifest = manifest_of(
            app,
            sets.requirements,
            python_version=python_version,
            source_fingerprint=source_fingerprint(files.items()),
            fingerprints=endpoint_fingerprints(
                app,
                modules,
                own=own,
                files=files,
                distributions=sets.loadable(),
                contents=sets.contents,
                visible=sets.visible,
                python_version=python_version,
            ),
            packages=sets.folders,
            contracts=derived,
        )

        def staged_tree(manifest: Manifest) -> Path:
            # handlers are what a worker starts; here the modules themselves are imported
            handlers = {handler_name(endpoint.name) for endpoint in app}
            members = (member for member in own.values() if member.name not in handlers)
            stage(staging, (*members, Member.of_text(MANIFEST_NAME, manifest.text())), snapshot)
            return staging

        manifest = describe(manifest, staged_tree, sets.trees, self._describer, self._cache, self._tell, derived)
        for line in about_undescribed(manifest):
            self._tell(line)
        return manifest

    def _derived(self, app: App, modules: Modules, own: Members, sets: EndpointSets) -> Mapping[str, Schemas]:
        if self._has_evaluated:
            # what was not read may raise
            return {}
        importable = Importable(
            modules,
            taken=_first_names(own),
            installed=_first_names(path for found in sets.installed for path in found.files),
            python_version=self._request.python_version,
        )
        return derived_schemas(app, modules, importable)

    def _keep(self, staging: Path, own: Members, sets: EndpointSets, hidden: Collection[str]) -> None:
        """The tree as a worker has it, for whoever wants to look at it: a copy, whatever is done to it."""
        shutil.rmtree(staging)
        brought = (
            member
            for found in sets.installed
            for member in found.members(tuple(path for path in found.files if f"{found.folder}{path}" not in hidden))
        )
        for member in (*own.values(), *brought):
            content = member.content if isinstance(member.content, bytes) else member.content.read_bytes()
            place = staging / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if member.is_executable else 0o644)


def _first_names(paths: Iterable[str]) -> set[str]:
    """Of paths, under which names Python might find a module there."""
    return {path.partition("/")[0].partition(".")[0] for path in paths}


def _about_sources(sources: Sources) -> Iterator[str]:
    if sources.secrets:
        yield f"left out, as it may hold a secret: {', '.join(sources.secrets)}"
    if sources.special:
        yield f"left out, as it is neither a file nor a folder: {', '.join(sources.special)}"


def _checked(layers: Iterable[Layer], snapshot: Snapshot) -> Iterator[Layer]:
    yield from layers
    # what was read, described and packed was one and the same
    snapshot.check()


def _imports(app: App, modules: Modules) -> dict[str, frozenset[str]]:
    """By endpoint, what its functions' modules import from elsewhere; distributions of the images are named like it."""
    return {
        endpoint.name: modules.third_party_imports(function.module for function in endpoint.functions)
        for endpoint in app
    }


def _about_images(app: App) -> list[str]:
    """What an image has to have already: of an endpoint's own all that it asks for, as no artifact gets there."""
    notes = []
    for endpoint in app:
        spec = endpoint.spec
        if spec.system_dependencies and not spec.is_client:
            names = ", ".join(spec.system_dependencies)
            notes.append(
                f"endpoint {endpoint.name!r}: system_dependencies are no part of an artifact,"
                f" its image has to have {names}"
            )
        asked = (*spec.dependencies, *spec.system_dependencies)
        if asked and spec.is_client:
            notes.append(
                f"! endpoint {endpoint.name!r}: {', '.join(asked)}: nothing is installed into an image of one's own, "
                f"{spec.image!r} has to have it"
            )
    return notes


def _largest(own: Iterable[Member], distributions: Iterable[Distribution]) -> list[str]:
    sizes = [(distribution.size_bytes, distribution.name) for distribution in distributions]
    sizes += [(member.size, member.name) for member in own if member.size >= archive.MEBIBYTE]
    return [f"{name} {mebibytes(size)}" for size, name in sorted(sizes, reverse=True)[:_MOST_NAMED]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
