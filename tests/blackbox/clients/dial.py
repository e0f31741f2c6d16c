"""Opening connections of one kind to one broker."""

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.clients.connection import Connection, Endpoint, Kind
from tests.blackbox.logins import Login


class Dial:
    """``dial(login)`` is a connection; ``close`` lets go of all of them."""

    def __init__(self, kind: Kind, endpoint: Endpoint) -> None:
        self.kind = kind
        self.endpoint = endpoint
        self._opened: list[Connection] = []

    def __call__(self, login: Login, **options: object) -> Connection:
        connection = self.kind.dial(self.endpoint, *login, **options)
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._opened:
            if not connection.closed.is_set():
                connection.abandon()


def endpoint_of(server: BrokerProcess, ca_file: str | None = None) -> Endpoint:
    return Endpoint(server.ws_url, server.tcp_address, ca_file)
