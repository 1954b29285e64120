"""A worker in a container ends with its platform."""

from __future__ import annotations

import socket
import threading

from flash.runtime.owner import await_end, hold_once


def test_it_holds_on_while_the_platform_answers() -> None:
    """A connection that breaks is tried again, after a pause; no answer is the end."""
    answers, pauses = [True, True, False], []
    await_end("http://x/owner", "token", hold=lambda url, token: answers.pop(0), pause=pauses.append)
    assert (answers, len(pauses)) == ([], 2)


def serve(reply: bytes) -> tuple[str, list[bytes], threading.Thread]:
    """Answer one request, and close."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            asked.append(connection.recv(4096))
            connection.sendall(reply)

    thread = threading.Thread(target=answer)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/flash/owner", asked, thread


def test_an_answer_that_breaks_off_was_an_answer() -> None:
    """It shows the worker's own token."""
    url, asked, thread = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n")
    assert hold_once(url, "flashw_token")
    thread.join()
    assert b"GET /flash/owner HTTP/1.1" in asked[0]
    assert b"Authorization: flashw_token" in asked[0]


def test_a_platform_that_does_not_know_the_worker_is_not_its_own() -> None:
    """Another one has taken the address."""
    url, _, thread = serve(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    assert not hold_once(url, "token")
    thread.join()


def test_nobody_at_the_address_is_the_end() -> None:
    """The platform was killed."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert not hold_once(f"http://127.0.0.1:{port}/flash/owner", "token")
