"""Self-signed certificates for 127.0.0.1, made by the command ``openssl``."""

import hashlib
import ssl
import subprocess
from pathlib import Path


class Certificate:
    """``cert`` and ``key`` in ``room``; ``renew`` writes others in their place."""

    def __init__(self, room: Path) -> None:
        self.cert = room / "cert.pem"
        self.key = room / "key.pem"
        self.renew()

    def renew(self) -> None:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2"),
                *("-keyout", self.key, "-out", self.cert),
            ],
            check=True,
            capture_output=True,
        )

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.cert.read_text())).hexdigest()

    def trust(self) -> ssl.SSLContext:
        """For a client that trusts the certificate as it is now, and no other."""
        return ssl.create_default_context(cafile=str(self.cert))
