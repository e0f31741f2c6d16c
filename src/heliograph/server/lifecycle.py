"""Starting and stopping a server; the one place that names a concrete engine."""

from __future__ import annotations

import asyncio
import resource
import ssl
from types import TracebackType
from typing import TYPE_CHECKING

import structlog

from heliograph.broker.broker import Broker
from heliograph.directory.build import build_directory
from heliograph.directory.credentials import Authenticator
from heliograph.directory.file import read_directory_file
from heliograph.directory.store.database import url_in
from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.directory.store.watcher import Watcher
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.errors import ServerError, SettingsError
from heliograph.server import tcp
from heliograph.server.directory_source import DirectorySource
from heliograph.server.http.api import Api
from heliograph.server.hub import Hub
from heliograph.server.settings import Settings, load_certificate, tls_context
from heliograph.server.sweeper import Sweeper
from heliograph.server.websocket.acceptor import Acceptor
from heliograph.server.websocket.handshake import PATH
from heliograph.server.websocket.listener import listen

if TYPE_CHECKING:
    from heliograph.server.http.listener import HttpListener

log = structlog.get_logger("heliograph.server")


class Server:
    """A running server: ``async with Server(settings) as server``.

    ``addresses``: one URL for each listening socket, once it is started.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.addresses: list[str] = []
        self._listeners: list[asyncio.Server | Acceptor] = []
        self._tls: ssl.SSLContext | None = None
        self._http: HttpListener | None = None

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Apply the directory, open the engine, listen.  SettingsError where something given does not fit."""
        settings = self.settings
        self._tls = tls_context(settings)
        limits = settings.limits
        if settings.apply is not None:
            build_directory(read_directory_file(settings.apply), limits, settings.apply)  # before anything is opened
        self._engine = EmbeddedEngine(limits, FileStore(settings.data_dir), settings.fsync)
        snapshot = await self._open_directory()
        directory = snapshot.directory
        self._authenticator = Authenticator(directory, snapshot.hashed, limits)
        self._watcher = Watcher(self._store, limits, self.replace_directory, self._authenticator.take_used)
        loop = asyncio.get_running_loop()
        broker = Broker(self._engine, directory, limits)
        self._hub = Hub(broker, self._authenticator, limits, loop)
        self._api = Api(
            broker, self._store, self._authenticator, snapshot.operators, limits, self._watcher.look, self._hub
        )
        await self._engine.start()
        self._sweeper = Sweeper(self._hub)
        _allow_many_files()
        await self._listen()
        self._sweeper.start()
        self._watcher.start(snapshot)
        if not directory.principals:
            log.warning("nobody can log in", detail="the directory is empty; fill it with --apply")
        log.info("started", exchanges=len(directory.exchanges), principals=len(directory.principals))

    async def stop(self) -> None:
        """Drain: accept nothing new, answer what has come, tell every client, then close."""
        self._source.stop()
        self._watcher.end()
        self._sweeper.stop()
        for listener in self._listeners:
            listener.close()
        http = asyncio.create_task(self._http.stop()) if self._http else None
        for connection in list(self._hub.consumers):
            connection.fail(ServerGoingAway())
        deadline = self._hub.loop.time() + self.settings.limits.drain_ms_max / 1000
        while self._hub.connections and self._hub.loop.time() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self._hub.connections):
            connection.link.abort()
        if http is not None:
            await http
        await self._engine.stop()
        self._authenticator.close()
        await self._watcher.stop()  # after what matters: the database may be away
        self._store.close()

    async def replace_directory(self, snapshot: Snapshot) -> None:
        """Who may do what from now on, also on open connections; see ``Admission``.

        Who is disabled, and a credential that was revoked or has expired, is not valid in it any more.
        """
        await self._hub.admission.replace_directory(snapshot.directory, snapshot.hashed)
        self._api.operators = snapshot.operators

    async def _open_directory(self) -> Snapshot:
        settings = self.settings
        url = settings.directory_url or url_in(settings.data_dir)
        self._store = await asyncio.to_thread(DirectoryStore.open, url, settings.limits)
        self._source = DirectorySource(settings.apply, self._store, settings.limits)
        try:
            return await self._source.read()
        except BaseException:
            self._store.close()
            raise

    def reload(self) -> None:
        """Read certificate and directory file again (SIGHUP)."""
        self.reload_certificate()
        self._source.reload(self._watcher.look_soon)

    def reload_certificate(self) -> None:
        """Read certificate and key again; the old ones stay where the new do not fit."""
        if self._tls is None:
            return
        try:
            load_certificate(self._tls, self.settings)
        except SettingsError as error:
            log.error("certificate not reloaded", detail=str(error))
        else:
            log.info("certificate reloaded")

    async def _listen(self) -> None:
        settings, hub = self.settings, self._hub
        secure = "s" if self._tls else ""
        try:
            acceptor = await listen(hub, settings.host, settings.stomp_port, self._tls, settings.allowed_origins)
            self._listeners.append(acceptor)
            self.addresses.append(f"ws{secure}://{_address(acceptor)}{PATH}")
            if settings.tcp_port is not None:
                listener = await tcp.listen(hub, settings.host, settings.tcp_port, self._tls)
                self._listeners.append(listener)
                self.addresses.append(f"stomp{'+ssl' if secure else ''}://{_address(listener)}")
            if settings.http:
                from heliograph.server.http.app import make_app  # the most to load, and for some it is off
                from heliograph.server.http.listener import HttpListener

                self._http = HttpListener(
                    make_app(self._api), settings.host, settings.http_port, self._tls, settings.limits
                )
                await self._http.start()
                self.addresses.append(self._http.address)
        except OSError as error:
            ports = (settings.stomp_port, settings.tcp_port, settings.http_port if settings.http else None)
            raise SettingsError(
                "Cannot listen",
                f"on {settings.host}, port {' or '.join(str(port) for port in ports if port is not None)}: "
                f"{error.strerror or error}. Choose another with --host, --stomp-port, --tcp-port or --http-port.",
            ) from None


class ServerGoingAway(ServerError):
    """The server is being stopped."""

    close_code = 1001

    def __init__(self) -> None:
        super().__init__("Server going away", "It is being stopped or restarted; connect again in a moment.")


def _address(listener: asyncio.Server | Acceptor) -> str:
    host, port = listener.sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _allow_many_files() -> None:
    """A connection is a file; take as many as the system gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
