"""What every test room shares: the long tests' switch, and the parts that a user's machine may lack."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgresql

ROOT = Path(__file__).resolve().parent.parent
LONG_TIMEOUT_S = 1_800

#: Begun with, so that none of them is left over for one process when the others have nothing more to do.
LONGEST_FIRST = ("crash", "integration", "durable", "attacks", "blackbox")

# No deadlines: a busy machine is no fault of the code.
settings.register_profile("short", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("short"), max_examples=5_000)
#: ``make check`` names it.
settings.register_profile("quick", settings.get_profile("short"), max_examples=10)

#: marker: (what must be there, how to get it)
NEEDS = {
    "needs_node": (
        lambda: shutil.which("node") and (ROOT / "tests/blackbox/js/node_modules").is_dir(),
        "Node.js and its modules: `npm ci` in tests/blackbox/js",
    ),
    "needs_rabbitmq": (lambda: shutil.which("rabbitmq-server"), "Debian's package rabbitmq-server"),
    "needs_postgresql": (postgresql.binaries, "Debian's package postgresql"),
    "needs_nats": (lambda: shutil.which("nats-server"), "Debian's package nats-server"),
}


def require(present: object, what: str) -> None:
    """Skip the calling test where ``what`` is missing; with ``CI=true`` fail it, for CI installs everything."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {what}", pytrace=False)
    pytest.skip(f"needs {what}")


@pytest.fixture(name="require")
def require_fixture():
    """``require(present, what)``, for what only the test itself can tell; the markers ``needs_*`` say the rest."""
    return require


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A private PostgreSQL for the whole run."""
    present, what = NEEDS["needs_postgresql"]
    require(present(), what)
    with postgresql.running() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of the test's own."""
    from sqlalchemy import create_engine, text  # of the server's parts, like this test

    engine = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    name = f"test_{abs(hash(request.node.nodeid))}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgresql_server.rpartition("/")[0] + f"/{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-long", action="store_true", help="run the tests marked long: the full sample counts")


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(5_000, 10, 100)  # as it comes, it had a sixth of the unit tests' time
    settings.load_profile(
        config.getoption("--hypothesis-profile") or ("long" if config.getoption("--run-long") else "short")
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_turn)
    run_long = config.getoption("--run-long")
    for item in items:
        if not item.get_closest_marker("long"):
            continue
        if not run_long:
            item.add_marker(pytest.mark.skip(reason="long: run with --run-long"))
        elif not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT_S))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays for the whole run: modules, and the tests themselves."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Look for garbage once; pytest does it twice, and the interpreter at its end, through all that still lives."""
    gc.collect()
    gc.freeze()


def _turn(item: pytest.Item) -> int:
    room = item.path.relative_to(ROOT / "tests").parts[0]
    return LONGEST_FIRST.index(room) if room in LONGEST_FIRST else len(LONGEST_FIRST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        if marker.name in NEEDS:
            present, what = NEEDS[marker.name]
            require(present(), what)
