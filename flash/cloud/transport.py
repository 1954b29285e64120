"""HTTP to a platform: our own ``httpx.Client``, gql's transport over it, and every foreign exception translated.

gql's own httpx transport would bind whichever httpx generation it finds; this one uses ours. Errors leave this module
as ``PlatformError`` and never show the key.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
from gql.transport import Transport
from graphql import ExecutionResult, print_ast

from flash import __version__
from flash.cloud.address import redact
from flash.errors import NotAuthorized, NotFound, PlatformError, PlatformUnreachable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gql import GraphQLRequest

__all__ = [
    "HTTPX_ERRORS",
    "KEY_HINT",
    "RIGHTS_HINT",
    "GraphQLTransport",
    "async_http_client",
    "authorization",
    "http_client",
    "http_options",
    "is_distrust",
    "said",
    "status_error",
    "translated",
    "translating",
]

HTTPX_ERRORS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
"""Together, the base classes of everything that httpx raises."""

KEY_HINT: Final = (
    "set RUNPOD_API_KEY: add it to your .env file, or export RUNPOD_API_KEY=your_api_key_here; "
    'for the local platform: eval "$(flash platform env)"'
)
_TIMEOUT_S: Final = 300.0
"""Source: what the platform's own client waits for an answer, read 2026-08."""
_CONNECT_TIMEOUT_S: Final = 10.0
RIGHTS_HINT: Final = (
    "the key is known, and may not do this: make one that may write to the Serverless API (console, Settings, API keys)"
)
_UNAUTHORIZED: Final = (
    "unauthorized",
    "unauthorised",
    "not authorized",
    "unauthenticated",
    "invalid api key",
    "api key has expired",
    "api key expired",
    "api key has been revoked",
    "api key revoked",
)
_FORBIDDEN: Final = ("forbidden", "permission denied", "insufficient permission", "read-only", "read only")
"""Source: assumed; what a real key without rights is told is not known (docs/runpod.md)."""
_USER: Final = re.compile(r"(?<=:)//[^/@]*@")
"""A user's name and password in a URL."""
_LONGEST_QUOTE: Final = 500


@functools.cache
def _tls() -> ssl.SSLContext:
    # reading the certificates takes longer than a request to a local platform: once is enough
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise PlatformError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror or error}",
            hint="point SSL_CERT_FILE at a file of certificates in PEM, or unset it",
        ) from error


def http_options(url: str) -> dict[str, Any]:
    """Keyword arguments for an ``httpx.Client`` or ``httpx.AsyncClient`` that talks to *url*."""
    return {
        "timeout": httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
        "headers": {"User-Agent": f"pytest-flash/{__version__}"},
        "verify": _tls(),
        # a proxy that the environment names is for the world outside, and cannot reach this machine's loopback
        "trust_env": not _is_loopback(url),
    }


def http_client(url: str, transport: httpx.BaseTransport | None = None, **options: Any) -> httpx.Client:
    """A client that talks to *url*.

    Raises:
        PlatformError: A proxy or certificates that the environment names cannot be used.
    """
    with _opening():
        return httpx.Client(transport=transport, **http_options(url), **options)


def async_http_client(url: str, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> httpx.AsyncClient:
    """The same, for who awaits.

    Raises:
        PlatformError: A proxy or certificates that the environment names cannot be used.
    """
    with _opening():
        return httpx.AsyncClient(transport=transport, **http_options(url), **options)


@contextmanager
def _opening() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise PlatformError(
            "the proxy that the environment names speaks SOCKS, which needs another package",
            hint='pip install "httpx[socks]", or unset ALL_PROXY, HTTPS_PROXY and HTTP_PROXY',
        ) from error
    except (*HTTPX_ERRORS, ValueError) as error:
        # not its address: there may be a password in it
        raise PlatformError(
            "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names is no address of one",
            hint="write http://HOST:PORT, or unset it",
        ) from error


def is_distrust(error: BaseException | None) -> bool:
    """Whether a certificate is not trusted; it will not be in two seconds either."""
    seen: list[BaseException] = []
    # one that is raised again may have itself for its context
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_loopback(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False


def authorization(api_key: str) -> dict[str, str]:
    """The header that carries the key; none where there is no key.

    Raises:
        SettingsError: The key has characters that a header cannot carry: no platform was asked.
    """
    if not api_key:
        return {}
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        # sent as it is, the HTTP library would refuse it and quote it
        if len(api_key.splitlines()) > 1:
            # two keys, or the line after the key's
            raise SettingsError("the API key has a line break in it, which no key has", hint=KEY_HINT)
        raise SettingsError("the API key has characters that no key has, such as spaces", hint=KEY_HINT)
    return {"Authorization": f"Bearer {api_key}"}


@contextmanager
def translating(operation: str, *, url: str, api_key: str) -> Iterator[None]:
    """Within the block, what httpx raises becomes a ``PlatformError``."""
    try:
        yield
    except HTTPX_ERRORS as error:
        raise translated(error, operation=operation, url=url, api_key=api_key) from error


def translated(error: Exception, *, operation: str, url: str, api_key: str) -> PlatformError:
    """The error of ours that says what an exception of httpx means.

    *url* is shown without its query, which may be a signature.
    """
    if isinstance(error, httpx.HTTPStatusError):
        return status_error(error.response, operation=operation, api_key=api_key)
    where = _USER.sub("//", url.partition("?")[0])
    # the text of an exception may quote the request
    text = redact(str(error), api_key).replace(url, where) or type(error).__name__
    up = f"check that {where} is right, up, and reachable from here"
    if isinstance(error, httpx.TimeoutException):
        message = f"{operation}: {where} did not answer in time ({type(error).__name__})"
        return PlatformUnreachable(message, operation=operation, hint=up)
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        message = f"{operation}: no request can be sent to {where!r}: {text}"
        hint = "check RUNPOD_API_BASE_URL and RUNPOD_ENDPOINT_BASE_URL"
        return PlatformError(message, operation=operation, hint=hint)
    if is_distrust(error):
        return PlatformError(
            f"{operation}: the certificate of {where} is not trusted here: {text}",
            operation=operation,
            hint="name your authority's file in SSL_CERT_FILE, or its folder in SSL_CERT_DIR",
        )
    if isinstance(error, httpx.TransportError):
        return PlatformUnreachable(f"{operation}: cannot reach {where}: {text}", operation=operation, hint=up)
    return PlatformError(f"{operation}: the answer of {where} cannot be read: {text}", operation=operation)


def status_error(response: httpx.Response, *, operation: str, api_key: str) -> PlatformError:
    """The error of ours for an HTTP status of 300 and more."""
    status = response.status_code
    text = redact(said(response), api_key)
    if status in {401, 403}:
        message, hint = f"{operation}: the platform does not accept the API key ({status})", KEY_HINT
        if not api_key:
            message = f"{operation}: the platform asks for an API key ({status})"
        elif status == 403 or _says(text, _FORBIDDEN):
            message, hint = f"{operation}: the API key may not do this ({status})", f"{RIGHTS_HINT}; or {KEY_HINT}"
        return NotAuthorized(message, operation=operation, status=status, hint=hint, detail=text)
    kind = NotFound if status == 404 else PlatformError
    hint = "too many requests: wait a little, and run it again" if status == 429 else _hint(text)
    return kind(f"{operation}: the platform answered {status}: {text}", operation=operation, status=status, hint=hint)


def said(response: httpx.Response) -> str:
    """What an answer says in one line: its GraphQL errors, its ``error`` or ``detail``, or else its text."""
    try:
        data = response.json()
    except ValueError:
        data = None
    if isinstance(data, dict):
        if data.get("errors"):
            return _joined(data["errors"])
        for key in ("error", "detail", "message"):
            if key in data:
                return str(data[key])[:_LONGEST_QUOTE]
    return " ".join(response.text.split())[:_LONGEST_QUOTE] or response.reason_phrase


def _joined(errors: object) -> str:
    """What GraphQL errors say; anything but a list of objects with messages is shown as it came."""
    listed = errors if isinstance(errors, list) else [errors]
    texts = [str((error.get("message") if isinstance(error, dict) else None) or error) for error in listed]
    return "; ".join(texts)[:_LONGEST_QUOTE]


class GraphQLTransport(Transport):
    """gql's transport over a client of ours. The client belongs to the caller, who closes it.

    ``execute`` raises ``PlatformError`` for everything that is not an answer without errors.

    Attributes:
        headers: Sent with each operation, beside the key.
    """

    def __init__(self, client: httpx.Client, url: str, api_key: str) -> None:
        self.headers: dict[str, str] = {}
        self._client = client
        self._url = url
        self._api_key = api_key

    def execute(self, request: GraphQLRequest, *_args: Any, **_kwargs: Any) -> ExecutionResult:
        """Send one operation.

        Shape: ``{"query": str, "variables": object}`` goes out; ``{"data": object}`` or
        ``{"errors": [{"message": str}], "data"?: object}`` comes back.

        Raises:
            NotAuthorized: The key is missing or wrong.
            NotFound: The platform's text says that something is not there.
            PlatformUnreachable: Nobody answered, or somebody who does not speak GraphQL.
            PlatformError: The platform said no.
        """
        operation = request.operation_name or "GraphQL"
        body = {"query": print_ast(request.document), "variables": request.variable_values or {}}
        with translating(operation, url=self._url, api_key=self._api_key):
            response = self._client.post(self._url, json=body, headers={**authorization(self._api_key), **self.headers})
        if response.status_code >= 300:
            raise self._refused(response, operation)
        try:
            answer = response.json()
        except ValueError as error:
            raise self._not_graphql(operation, response) from error
        if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
            raise self._not_graphql(operation, response)
        if answer.get("errors"):
            # data beside errors is half an answer, and half an answer is none
            raise self._refusal(operation, _joined(answer["errors"]), response.status_code)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise PlatformError(
                f"{operation}: the platform answered neither data nor an error",
                operation=operation,
                status=response.status_code,
                hint="try again; if it stays so, see the platform's status page",
            )
        return ExecutionResult(data=data)

    def _refused(self, response: httpx.Response, operation: str) -> PlatformError:
        error = status_error(response, operation=operation, api_key=self._api_key)
        if not isinstance(error, NotFound):
            return error
        # a gateway that knows no such page says nothing of what was asked for: the platform says that in words
        hint = f"check that {self._url} is the platform's address"
        return PlatformError(error.message, operation=operation, status=error.status, hint=hint)

    def _not_graphql(self, operation: str, response: httpx.Response) -> PlatformUnreachable:
        kind = response.headers.get("content-type", "something without a content type")
        if kind.partition(";")[0].strip() == "application/json":
            kind = f"{kind} that is cut off or something else"
        return PlatformUnreachable(
            f"{operation}: {self._url} answered {kind}, which is no GraphQL",
            operation=operation,
            status=response.status_code,
            hint=f"check that {self._url} is the platform's address",
        )

    def _refusal(self, operation: str, text: str, status: int) -> PlatformError:
        text = redact(text, self._api_key)
        if _says(text, _UNAUTHORIZED):
            message = f"{operation}: the platform does not accept the API key: {text}"
            return NotAuthorized(message, operation=operation, status=status, hint=KEY_HINT)
        if _says(text, _FORBIDDEN):
            message = f"{operation}: the API key may not do this: {text}"
            return NotAuthorized(message, operation=operation, status=status, hint=RIGHTS_HINT)
        kind = NotFound if _says(text, ("not found",)) else PlatformError
        return kind(f"{operation}: {text}", operation=operation, status=status, hint=_hint(text))


def _says(text: str, words: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(one in lowered for one in words)


_HINTS: Final = (
    (("quota", "limit exceeded", "limit reached", "max workers", "worker limit"),
     "lower `workers` of some endpoints, or delete unused ones: workersMax counts against the account's quota"),
    (("balance", "insufficient funds", "payment"), "top up the account's balance (console, Billing)"),
    (("no capacity", "no longer any instances", "not enough", "out of stock", "unavailable in"),
     "name more GPUs or data centers for the endpoint: gpu=[…], datacenter=[…]"),
    (("already exists", "exists already", "is taken", "must be unique", "duplicate"),
     "somebody else made it meanwhile, or the name is taken: choose another, or run it again"),
)  # fmt: skip
"""Words of a refusal, and what would mend it. Source: assumed, see docs/runpod.md."""


def _hint(text: str) -> str:
    return next((hint for words, hint in _HINTS if _says(text, words)), "")
