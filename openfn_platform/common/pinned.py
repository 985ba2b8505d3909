"""The httpx transport whose sockets go to judged addresses and keep a deadline. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ssl import SSLContext

import httpcore
import httpx

from openfn_platform.common.addresses import AddressPolicy, GuardedBackend

# Shorter than the keep-alive of usual servers (gunicorn: 2 s), so that a request is hardly ever sent
# into a connection that the other side is just closing.
KEEP_IDLE = 1.5


class PinnedTransport(httpx.BaseTransport):
    """HTTP/1.1 over sockets that `GuardedBackend` opened. The pool is made when first used."""

    def __init__(self, *, policy: AddressPolicy, tls: SSLContext | Callable[[], SSLContext]) -> None:
        self._policy = policy
        self._tls = tls
        self._pool: httpcore.ConnectionPool | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        with _as_httpx():
            response = self._opened().handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _opened(self) -> httpcore.ConnectionPool:
        if self._pool is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=self._tls if isinstance(self._tls, SSLContext) else self._tls(),
                max_connections=20,
                max_keepalive_connections=10,
                keepalive_expiry=KEEP_IDLE,
                network_backend=GuardedBackend(self._policy),
            )
        return self._pool


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        with _as_httpx():
            self._response.close()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """httpcore's errors under the names that httpx gives them: they are the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from None
