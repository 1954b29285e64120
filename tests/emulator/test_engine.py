"""Whether containers can run here, and what images are made of."""

from __future__ import annotations

import os
import socket
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from flash.emulator.launchers.engine import DEFAULT_HOST, Engine, docker_host, look
from flash.emulator.launchers.images import archived, base_tag, context, worker_version
from flash.emulator.launchers.sdk import DockerContainers
from flash.errors import PreviewError

LINUX = {"ServerVersion": "28.1", "OSType": "linux", "OperatingSystem": "Debian", "SecurityOptions": ["name=seccomp"]}


def asks(facts: dict[str, Any], **statuses: int) -> Any:
    """An engine's API; statuses are those of images and distributions."""

    def ask(path: str) -> tuple[int, Any]:
        if path == "/info":
            return 200, facts
        return statuses.get(path.split("/")[1], 404), {}

    return ask


def found(facts: dict[str, Any], **statuses: int) -> Engine:
    engine = look("unix:///x", asks(facts, **statuses))
    assert isinstance(engine, Engine)
    return engine


def test_an_engine_of_this_machine_will_do() -> None:
    """It tells its version, which images it has, and which it could pull."""
    engine = found(LINUX, images=200)
    assert (engine.version, engine.refusal) == ("28.1", "")
    assert (engine.has_image("python:3.11-slim"), engine.can_pull("python:3.11-slim")) == (True, False)
    assert found(LINUX, distribution=200).can_pull("python:3.11-slim")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"OperatingSystem": "Docker Desktop"}, "virtual machine"),
        ({"SecurityOptions": ["name=rootless"]}, "rootless"),
        ({"OSType": "windows"}, "no Linux containers"),
    ],
)
def test_an_engine_whose_networks_are_not_here_will_not_do(changes: dict[str, Any], why: str) -> None:
    """It answers, and is refused with the reason."""
    assert why in found({**LINUX, **changes}).refusal


def test_a_remote_engine_is_not_asked() -> None:
    """Previews there are not supported."""
    assert "remote, which is not supported" in str(look("tcp://10.0.0.1:2375", asks(LINUX)))


def test_nobody_who_answers_is_a_reason(tmp_path: Path) -> None:
    """No socket, a dead one, and one that says something else."""
    assert look(f"unix://{tmp_path}/none") == f"no Docker engine answers at unix://{tmp_path}/none: {os.strerror(2)}"
    assert "answers 500" in str(look("unix:///x", lambda path: (500, None)))


def test_it_is_asked_over_its_socket(tmp_path: Path) -> None:
    """With nothing but the standard library."""
    path = tmp_path / "engine.sock"
    body = b'{"ServerVersion": "1", "OSType": "linux"}'

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        engine = look(f"unix://{path}")
        thread.join()
    assert isinstance(engine, Engine)
    assert engine.version == "1"


def test_docker_host_names_the_engine() -> None:
    """Else it is where Docker listens by itself."""
    assert docker_host({"DOCKER_HOST": "unix:///mine"}) == "unix:///mine"
    assert docker_host({"DOCKER_HOST": " "}) == docker_host({}) == DEFAULT_HOST


def test_an_image_copies_a_folder_and_does_nothing_else(tmp_path: Path) -> None:
    """Whoever owns the files here, root owns them there; order is fixed, modes and links stay."""
    folder = tmp_path / "artifact"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "b.py").write_text("b")
    (folder / "a.sh").write_text("a")
    (folder / "a.sh").chmod(0o755)
    (folder / "link").symlink_to("a.sh")
    with context("base:1", folder, "/app") as file, tarfile.open(fileobj=file) as archive:
        dockerfile = archive.extractfile("Dockerfile")
        assert dockerfile is not None
        assert dockerfile.read() == b"FROM base:1\nCOPY content /app\n"
        members = archive.getmembers()[1:]
    names = ["content", "content/a.sh", "content/link", "content/pkg", "content/pkg/b.py"]
    assert [member.name for member in members] == names
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    assert members[1].mode & 0o777 == 0o755
    assert members[2].linkname == "a.sh"
    with archived("/app", folder) as file, tarfile.open(fileobj=file) as archive:
        assert archive.getnames()[:2] == ["app", "app/a.sh"]


def test_tags_tell_what_is_inside(tmp_path: Path) -> None:
    """Another Python image, library, artifact or base is another image."""
    one = base_tag("3.11", "sha256:1", Path("/libraries/one"))
    assert one.startswith("flash-base:py3.11-")
    assert one == base_tag("3.11", "sha256:1", Path("/elsewhere/one"))
    assert one not in {base_tag("3.11", "sha256:2", Path("one")), base_tag("3.11", "sha256:1", Path("two"))}
    versions = {worker_version("d" * 64, one), worker_version("e" * 64, one), worker_version("d" * 64, "other")}
    assert len(versions) == 3


def test_an_engine_that_nobody_listens_for_is_told_and_leaves_no_socket_open(tmp_path: Path) -> None:
    """The SDK's own attempt would: pytest takes that for an error."""
    host = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(
        PreviewError, match=rf"^the Docker engine at {host} does not answer \(to connect\): No such file"
    ):
        DockerContainers(host)
