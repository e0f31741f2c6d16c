"""What an operator sets: by flag, ``HELIOGRAPH_…`` variable, or ``heliograph.toml``."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from heliograph.directory.secret import Secret
from heliograph.errors import SettingsError
from heliograph.limits import Limits


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """One server.  Ports: 0 picks a free one; ``tcp_port`` None leaves that listener off, and so does not ``http``.

    ``directory_url``: the directory's database, which may name a password; None: a file in ``data_dir``.
    """

    apply: Path | None = None
    data_dir: Path = Path("data")
    directory_url: Secret | None = None
    fsync: Literal["always", "interval"] = "always"
    host: str = "127.0.0.1"
    stomp_port: int = 8674
    tcp_port: int | None = None
    http: bool = True
    http_port: int = 8672
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allowed_origins: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as set, or None; SettingsError where the files do not fit."""
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise SettingsError("tls_key without tls_cert", "Give both, or neither.")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Read certificate and key (again); new connections use them.  SettingsError where they do not fit."""
    assert settings.tls_cert is not None
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            "TLS certificate unusable",
            f"{settings.tls_cert} with key {settings.tls_key or 'in the same file'}: {error}. "
            "Both are PEM; the certificate comes first, then its chain.",
        ) from None
