"""Artifacts that nobody built: archives of what a test wants in them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flash.model.manifest import FunctionEntry, Manifest, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flash.bundle.contents import Contents

MANIFEST = Manifest(
    project_name="demo",
    resources={
        "gpu_worker": Resource(
            gpu_ids="AMPERE_16",
            gpu_count=2,
            image_name="runpod/flash:py3.12",
            functions=[FunctionEntry(name="hello", module="gpu_worker")],
            handler_file="handler_gpu_worker.py",
            provided=["torch"],
            fingerprint="ab" * 32,
        ),
        "lb_worker": Resource(
            is_load_balanced=True,
            instance_ids=["cpu3c-1-2"],
            functions=[FunctionEntry(name="health", module="lb_worker", http_method="GET", http_path="/health")],
            handler_file="handler_lb_worker.py",
        ),
    },
    routes={"lb_worker": {"GET /health": "health"}},
    excluded={"torch": "every image ships it"},
    source_fingerprint="cd" * 32,
)


def wheel(
    name: str, version: str, files: Mapping[str, str], *headers: str, folder: str = "", display: str = ""
) -> dict[str, str]:
    """The files of a distribution, installed into *folder*, with its metadata."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = "\n".join(["Metadata-Version: 2.4", f"Name: {display or name}", f"Version: {version}", *headers, "", ""])
    own = {**files, f"{info}/METADATA": metadata}
    record = "".join(f"{path},,\n" for path in [*sorted(own), f"{info}/RECORD"])
    return {f"{folder}{path}": text for path, text in {**own, f"{info}/RECORD": record}.items()}


def demo(*, manifest: Manifest = MANIFEST, **changes: str) -> dict[str, str]:
    """The files of a small artifact."""
    return {
        "flash/__init__.py": '__version__ = "0.1.0"\n',
        "flash/runtime/worker.py": "worker\n",
        "gpu_worker.py": "def hello(): ...\n",
        "lb_worker.py": "def health(): ...\n",
        "data/deep/words.txt": "words\n",
        "handler_gpu_worker.py": "handler\n",
        "handler_lb_worker.py": "handler\n",
        "requirements.txt": "",
        **wheel(
            "left-pad", "1.2.0", {"left_pad/__init__.py": "x" * 5000}, "License-Expression: MIT", "Requires-Dist: six"
        ),
        **wheel("six", "1.17.0", {"six.py": "y" * 900}, "Classifier: License :: OSI Approved :: MIT License"),
        "flash_manifest.json": manifest.text(),
        **changes,
    }


def packed(path: Path, files: Mapping[str, str | bytes], *, executable: Iterable[str] = ()) -> Path:
    """An archive of *files* at *path*."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if name in set(executable) else 0o644
            add(tar, member, text if isinstance(text, bytes) else text.encode())
    return path


def add(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes = b"") -> None:
    """Put a member into an archive."""
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def stable(found: Contents, name: str = "artifact") -> Contents:
    """The same, without what another zlib makes otherwise: digest, size and packed shares."""
    artifact = replace(
        found.artifact, path=Path(f"/project/.flash/{name}.tar.gz"), sha256=f"{len(name):x}f" * 32, size_bytes=4096
    )
    unpacked = [replace(part, packed_bytes=part.size_bytes // 3) for part in found.distributions]
    others = [replace(part, packed_bytes=0) for part in (*found.project, found.generated, found.runtime)]
    return replace(
        found,
        artifact=artifact,
        distributions=tuple(unpacked),
        project=tuple(others[:-2]),
        generated=others[-2],
        runtime=others[-1],
    )
