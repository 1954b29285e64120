"""What the heavy build cannot be faster than: the same wheels installed by uv, archived and compressed, without Flash.

    python benchmarks/build_floor.py FOLDER PYTHON REQUIREMENT...

uv links the files from its cache; one tar for each top-level entry, names sorted and metadata fixed; each is
compressed by libdeflate, level 6, on two threads, as a gzip member of its own: joining them into one would cost more.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deflate
from uv import find_uv_bin


def main(folder: Path, python: str, requirements: list[str]) -> None:
    """Install and pack."""
    tree = folder / "tree"
    subprocess.run(
        [
            *(find_uv_bin(), "pip", "install", "-q", "--target", tree, "--no-compile-bytecode"),
            *("--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"),
            *requirements,
        ],
        check=True,
    )

    def packed(entry: Path) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
                if path.is_file():
                    info = tarfile.TarInfo(path.relative_to(tree).as_posix())
                    info.size = path.stat().st_size
                    with path.open("rb") as content:
                        tar.addfile(info, content)
        return bytes(deflate.gzip_compress(buffer.getvalue(), 6))

    digest, size = hashlib.sha256(), 0
    with ThreadPoolExecutor(2) as pool, (folder / "artifact.tar.gz").open("wb") as out:
        for member in pool.map(packed, sorted(tree.iterdir())):
            out.write(member)
            digest.update(member)
            size += len(member)
    print(size, digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
