"""What a program that only consumes has loaded."""

import subprocess
import sys


def test_the_client_imports_nothing_of_the_server():
    code = (
        "import sys, heliograph.client; "
        "print(*sorted({name.split('.')[0] for name in sys.modules} | {n for n in sys.modules if 'heliograph' in n}))"
    )
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout
    loaded = set(names.split())
    assert "websockets" in loaded
    assert not loaded & {"picows", "uvloop", "argon2", "structlog", "cyclopts", "rich"}
    rooms = {name.split(".")[1] for name in loaded if name.startswith("heliograph.")}
    assert rooms <= {"client", "stomp", "topic", "catalog", "errors", "limits", "generational_cache"}
