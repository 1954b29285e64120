"""Wheels that tests make themselves, and a package index on 127.0.0.1 that has them, and may misbehave."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str | bytes] | None = None,
    entry_points: str | None = None,
    python: str | None = None,
) -> Path:
    """Make a wheel with one module and one script, or with *files*; the same one gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    contents = {
        **({f"{module}.py": f"VERSION = {version!r}\n"} if files is None else files),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Python: {python}\n" if python else "")
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": entry_points or f"[console_scripts]\n{name} = {module}:main\n",
    }
    record = f"{info}/RECORD"
    contents[record] = "".join(f"{path},,\n" for path in [*contents, record])
    file = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return file


def digest(file: Path) -> str:
    """``sha256:…`` of it."""
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


@dataclass
class Index:
    """A package index (PEP 503) of the files in a folder.

    Attributes:
        url: Of its list of projects.
        statuses: By path, such as ``/simple/six/``, what it answers in place of the page or file.
        lies: Names of files that it says another hash of.
        hangs: Paths that it never answers.
        seen: Paths that were asked for.
    """

    folder: Path
    url: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def page(self, project: str) -> str | None:
        """The page of *project*; None: there is none."""
        files = [file for file in sorted(self.folder.iterdir()) if _project(file) == project]
        lines = [f'<a href="/files/{file.name}#sha256={self._hash(file)}">{file.name}</a>' for file in files]
        return f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>" if files else None

    def _hash(self, file: Path) -> str:
        return "0" * 64 if file.name in self.lies else digest(file).removeprefix("sha256:")


def _project(file: Path) -> str:
    return file.name.split("-")[0].replace("_", "-").lower()


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """An index of *folder*, for the block."""
    index = Index(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            index.seen.append(self.path)
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            if self.path in index.hangs:
                index.ended.wait()
                self.close_connection = True
                return
            kind, name = self.path.strip("/").split("/", 1)
            body, of = None, "text/html"
            if kind == "simple":
                text = index.page(name)
                body = None if text is None else text.encode()
            elif (folder / name).is_file():
                body, of = (folder / name).read_bytes(), "application/octet-stream"
            status = index.statuses.get(self.path, 404 if body is None else 200)
            body = body if status == 200 and body is not None else b""
            self.send_response(status)
            self.send_header("Content-Type", of)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """What was asked for is in ``seen``."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """A client that has gone is none of ours."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        index.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
