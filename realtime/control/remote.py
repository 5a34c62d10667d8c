"""A phone as remote: one page, served in the local network to those who know the code. It needs nothing from outside.

| request | what it does |
|---|---|
| GET / | the page, the same for everybody |
| POST /pair | exchanges the code for a cookie, which is good for this run |
| GET /paired | tells whether the cookie is good: true or false |
| GET /live | a WebSocket: the state of the desk comes, commands go (see `RemoteDesk`) |

Every request must name this machine as it was reached (a name that was pointed at it is refused: DNS rebinding), and
what changes something must come from this very page (`Origin`), not from another one that is open in the same browser.
"""

import asyncio
import base64
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemlive.errors import StemliveError
from stemlive.extras import how_to_add
from stemlive.guarded_thread import GuardedThread, in_words
from stemlive.realtime.control.pairing import Pairing
from stemlive.realtime.control.remote_address import bracketed, listen, own_address
from stemlive.realtime.control.remote_desk import RemoteDesk
from stemlive.realtime.shared.heartbeat import LIMIT_S

if TYPE_CHECKING:
    from aiohttp import web

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PAGE = Path(__file__).parent.parent / "assets" / "remote.html"
_LARGEST_BYTES = 1024
"""Of the body of a request, and of a command."""
_MOST_CONNECTIONS, _MOST_PHONES = 64, 16
_IDLE_S = 15.0
"""How long a connection may ask for nothing."""
_TICK_S = 0.1
"""How often a phone may get a new state."""
_BEAT_S = 15.0
"""How often a phone is asked whether it is still there."""


class Remote:
    """Serves the page on its own thread, until `close`; `url` and `code` are what a phone needs.

    Any number of phones see the same state. StemliveError when aiohttp is missing or the address cannot be used.
    `complain` gets what goes wrong later, from the remote's thread.
    """

    def __init__(self, desk: RemoteDesk, host: str, port: int, *, complain: Callable[[str], None]) -> None:
        try:
            import aiohttp  # noqa: F401 - missing packages are found here, not on the thread
        except ImportError as error:
            raise StemliveError(f"the remote needs the package aiohttp: {how_to_add('remote')}") from error
        self._desk, self._complain = desk, complain
        self._pairing = Pairing()
        self._socket = listen(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._name = host.lower()
        shown = own_address() if host in ("0.0.0.0", "::", "") else host
        self.local = shown in ("127.0.0.1", "::1", "localhost")
        """Whether only this machine can reach it."""
        self.url = f"http://{bracketed(shown)}:{self.port}/"
        self._page, self._policy = _read_page()
        self._phones: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = GuardedThread(
            "stemlive remote", self._run, lambda text: complain(f"the remote has ended: {text}")
        )
        self._thread.start()

    @property
    def code(self) -> str:
        """The pairing code, six digits."""
        return self._pairing.code

    @property
    def link(self) -> str:
        """The address with the code, for a QR code. What is behind the # stays in the phone."""
        return f"{self.url}#{self.code}"

    def show(self, desk: RemoteDesk) -> None:
        """Show and move another engine from now on."""
        self._desk = desk

    def close(self) -> None:
        """Let the phones go, and stop listening."""
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.end(LIMIT_S)

    # On the remote's thread.

    def _run(self) -> None:
        with self._socket, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        from aiohttp import web

        @web.middleware
        async def guard(request: web.Request, handler: "Answer") -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(middlewares=[guard], client_max_size=_LARGEST_BYTES)
        app.router.add_get("/", self._send_page)
        app.router.add_post("/pair", self._pair)
        app.router.add_get("/paired", self._tell_paired)
        app.router.add_get("/live", self._live)
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._let_go)
        silent = logging.Logger("stemlive remote", level=logging.CRITICAL + 1)  # what strangers send is no news
        runner = web.AppRunner(
            app, access_log=None, logger=silent, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=_IDLE_S
        )
        await runner.setup()
        serve = runner.server
        assert serve is not None

        def connect() -> asyncio.BaseProtocol:
            return _Refusal() if len(serve.connections) >= _MOST_CONNECTIONS else serve()

        # So many are accepted at once, before they count.
        listener = await self._loop.create_server(connect, sock=self._socket, backlog=_MOST_PHONES)
        try:
            await self._ending.wait()
        finally:
            listener.close()
            await runner.cleanup()

    async def _guard(self, request: "web.Request", answer: "Answer") -> "web.StreamResponse":
        from aiohttp import web

        host = request.headers.get("Host", "").lower()
        if host not in self._own_names(request):
            raise web.HTTPForbidden(text="This is not the address of the remote.")
        if request.path not in {"/", "/paired"} and request.headers.get("Origin") != f"http://{host}":
            raise web.HTTPForbidden(text="Only the page of the remote itself may do that.")
        try:
            return await answer(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            self._complain(f"the remote could not answer: {in_words(error)}")
            raise web.HTTPInternalServerError from error

    def _own_names(self, request: "web.Request") -> set[str]:
        """Return the values of the header Host that are right on this connection."""
        reached = request.transport.get_extra_info("sockname")[0] if request.transport is not None else ""
        names = {self._name, bracketed(reached)} | ({"localhost"} if reached in ("127.0.0.1", "::1") else set())
        return {f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set())

    async def _add_headers(self, request: "web.Request", response: "web.StreamResponse") -> None:
        response.headers.update(
            {
                "Server": "stemlive",
                "Cache-Control": "no-store",
                "Content-Security-Policy": f"{self._policy}; connect-src 'self' ws://{request.headers.get('Host', '')}",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
            }
        )

    async def _send_page(self, _: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(text=self._page, content_type="text/html")

    async def _pair(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        code = _json(await request.text())
        token = self._pairing.pair(code) if isinstance(code, str) else ""
        if not token:
            wait_s = -int(-self._pairing.locked_s // 1)
            return web.json_response({"wait_s": wait_s}, status=429 if wait_s else 403)
        response = web.Response(status=204)
        # Cookies are for all ports of a machine, so the name has the port.
        response.set_cookie(self._cookie, token, httponly=True, samesite="Strict", path="/")
        return response

    @property
    def _cookie(self) -> str:
        return f"stemlive_{self.port}"

    async def _tell_paired(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.json_response(self._is_paired(request))

    def _is_paired(self, request: "web.Request") -> bool:
        return self._pairing.knows(request.cookies.get(self._cookie, ""))

    async def _live(self, request: "web.Request") -> "web.StreamResponse":
        from aiohttp import WSMsgType, web

        if not self._is_paired(request):
            raise web.HTTPUnauthorized
        if len(self._phones) >= _MOST_PHONES:
            raise web.HTTPServiceUnavailable(text="Too many remotes.")
        phone = web.WebSocketResponse(heartbeat=_BEAT_S, max_msg_size=_LARGEST_BYTES, compress=False)
        await phone.prepare(request)
        self._phones.add(phone)
        feeding = asyncio.create_task(self._feed(phone))
        try:
            async for message in phone:
                if message.type == WSMsgType.TEXT:
                    await self._obey(phone, message.data)
        finally:
            self._phones.discard(phone)
            feeding.cancel()
        return phone

    async def _feed(self, phone: "web.WebSocketResponse") -> None:
        """Send the state whenever it has changed. One that does not listen gets fewer, and holds nobody up."""
        sent = ""
        with suppress(ConnectionError):
            while not phone.closed:
                text = json.dumps(self._desk.state(), allow_nan=False)
                if text != sent:
                    await phone.send_str(text)
                    sent = text
                await asyncio.sleep(_TICK_S)

    async def _obey(self, phone: "web.WebSocketResponse", text: str) -> None:
        try:
            self._desk.obey(_json(text))
        except StemliveError as error:
            with suppress(ConnectionError):
                await phone.send_json({"problem": str(error)})

    async def _let_go(self, _: "web.Application") -> None:
        for phone in list(self._phones):
            await phone.close(code=1001)


class _Refusal(asyncio.Protocol):
    """Ends a connection at once: there are enough."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _json(text: str) -> Any:
    """Return the value of a JSON text; None for what is none, NaN and infinity included."""
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return None


def _read_page() -> tuple[str, str]:
    """Return the page, and a policy that lets its own script and style run, and no other."""
    page = _PAGE.read_text(encoding="utf-8")
    sources = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    for tag in ("script", "style"):
        found = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert found is not None, f"{_PAGE}: no <{tag}>"
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        sources.append(f"{tag}-src 'sha256-{digest}'")
    return page, "; ".join(sources)
