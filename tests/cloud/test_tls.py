"""Certificates and proxies of the environment, with real sockets: a TLS server and a proxy of the test's own."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

KEY = "rpa_TLSTLSTLSTLSTLSTLSTLS"
ASK = """
import sys
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.errors import FlashError

url = sys.argv[1]
try:
    with PlatformClient(PlatformAddress(url, url + "/v2", None, sys.argv[2]), attempts=1) as client:
        client.check_key()
        print("accepted")
except FlashError as error:
    print(type(error).__name__, error)
"""


class Control(BaseHTTPRequestHandler):
    """A control plane that knows everybody."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"data": {"myself": {"id": "u"}}}).encode()
        self.server.seen.append(self.headers.get("authorization"))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class Tunnel(BaseHTTPRequestHandler):
    """A proxy for ``CONNECT``: whatever name is asked for, the server of the test answers."""

    def do_CONNECT(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        upstream = socket.create_connection(("127.0.0.1", self.server.upstream))  # type: ignore[attr-defined]
        back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
        back.start()
        _pump(self.connection, upstream)
        back.join()
        upstream.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # one of the two has gone, and so does the tunnel
        return


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.seen = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that no machine trusts."""
    return trustme.CA()


@pytest.fixture
def control(authority: trustme.CA) -> Iterator[Any]:
    """A control plane over TLS, by the names that the tests use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "platform.test").configure_cert(context)
    with serving(Control, context) as server:
        yield server


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def ask(url: str, **environment: str) -> str:
    """What a process with that environment is told."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, url, KEY],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout


def test_a_certificate_that_nobody_trusts_is_told_as_such(control: Any) -> None:
    """And the key has not been sent."""
    said = ask(f"https://127.0.0.1:{control.server_port}")
    assert said.startswith("PlatformError getMyself: the certificate of")
    assert "SSL_CERT_FILE" in said
    assert control.seen == []


def test_an_authority_in_a_file_is_trusted(control: Any, bundle: Path) -> None:
    """``SSL_CERT_FILE``, as for other programs."""
    assert ask(f"https://127.0.0.1:{control.server_port}", SSL_CERT_FILE=str(bundle)) == "accepted\n"
    assert control.seen == [f"Bearer {KEY}"]


def test_an_authority_in_a_folder_is_trusted(control: Any, bundle: Path, tmp_path: Path) -> None:
    """``SSL_CERT_DIR``; OpenSSL finds certificates there by the hash of their subject."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    found = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(bundle)], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("there is no openssl command to name the certificate")
    (folder / f"{found.stdout.strip()}.0").write_bytes(bundle.read_bytes())
    assert ask(f"https://127.0.0.1:{control.server_port}", SSL_CERT_DIR=str(folder)) == "accepted\n"


def test_a_file_that_is_no_certificate_is_a_clear_error(control: Any, tmp_path: Path) -> None:
    """It names the variable."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    said = ask(f"https://127.0.0.1:{control.server_port}", SSL_CERT_FILE=str(broken))
    assert said.startswith("PlatformError")
    assert "SSL_CERT_FILE" in said
    missing = ask(f"https://127.0.0.1:{control.server_port}", SSL_CERT_FILE=str(tmp_path / "missing.pem"))
    assert "SSL_CERT_FILE" in missing


def test_a_proxy_of_the_environment_is_used(control: Any, bundle: Path) -> None:
    """``HTTPS_PROXY``: the name is resolved by the proxy, and TLS goes through it to the end."""
    with serving(Tunnel) as proxy:
        proxy.upstream = control.server_port
        said = ask(
            "https://platform.test",
            SSL_CERT_FILE=str(bundle),
            HTTPS_PROXY=f"http://127.0.0.1:{proxy.server_port}",
        )
        assert said == "accepted\n"
        assert proxy.seen == ["platform.test:443"]
    assert control.seen == [f"Bearer {KEY}"]


def test_a_host_that_needs_no_proxy_is_asked_itself(bundle: Path) -> None:
    """``NO_PROXY``."""
    with serving(Tunnel) as proxy:
        said = ask(
            "https://platform.test",
            SSL_CERT_FILE=str(bundle),
            HTTPS_PROXY=f"http://127.0.0.1:{proxy.server_port}",
            NO_PROXY="platform.test",
        )
        assert said.startswith("PlatformUnreachable")
        assert proxy.seen == []


def test_a_proxy_is_not_asked_for_this_machine(control: Any, bundle: Path) -> None:
    """The local platform is nobody else's to reach; its certificate is the environment's matter all the same."""
    with serving(Tunnel) as proxy:
        said = ask(
            f"https://127.0.0.1:{control.server_port}",
            SSL_CERT_FILE=str(bundle),
            HTTPS_PROXY=f"http://127.0.0.1:{proxy.server_port}",
            HTTP_PROXY=f"http://127.0.0.1:{proxy.server_port}",
            ALL_PROXY=f"http://127.0.0.1:{proxy.server_port}",
        )
        assert said == "accepted\n"
        assert proxy.seen == []


def test_a_proxy_that_does_not_answer_is_told(bundle: Path) -> None:
    """Without the password that its address may have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = ask("https://platform.test", SSL_CERT_FILE=str(bundle), HTTPS_PROXY=f"http://user:passw0rd@127.0.0.1:{port}")
    assert said.startswith("PlatformUnreachable")
    assert "passw0rd" not in said


@pytest.mark.parametrize("proxy", ["ftp://proxy:1", "http://:::", "socks5://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_a_clear_error(proxy: str, bundle: Path) -> None:
    """Whatever the HTTP library thinks of it."""
    said = ask("https://platform.test", SSL_CERT_FILE=str(bundle), HTTPS_PROXY=proxy)
    assert said.startswith(("PlatformError", "PlatformUnreachable"))
