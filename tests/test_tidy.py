"""The rules of this house that a machine can check: arrows, rooms, purity, sizes, contract, documents, what is tracked.

That every module and public name has a docstring is ruff's to check (D1).
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.contract.ids import CONTRACT

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src/heliograph"
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: room: the rooms it may import.  A room is a name right under the package; under engine/ each is one of its own.
ARROWS = {
    "heliograph": set(),
    "errors": set(),
    "limits": set(),
    "countdown": {"errors"},
    "generational_cache": set(),
    "traces": set(),
    "stomp": set(),
    "topic": set(),
    "catalog": {"topic"},
    "directory": {"topic", "catalog"},
    "engine": set(),
    "engine.interface": {"topic"},
    "engine.embedded": {"engine.interface", "topic"},
    "broker": {"engine.interface", "directory", "topic", "catalog"},
    "server": {"broker", "directory", "stomp", "topic", "catalog", "engine.interface"},
    "client": {"stomp", "topic", "catalog"},
    "cli": {"server", "client", "topic", "catalog", "directory", "traces"},
    "__main__": {"cli"},
}
FOR_ALL = {
    "heliograph",
    "errors",
    "limits",
    "countdown",
    "generational_cache",
}  # the package itself holds no more than its version
START_UP = re.compile(r"server/(lifecycle|start\w*)\.py")  # the only files that may name a concrete engine
CONCRETE_ENGINES = {room for room in ARROWS if room.startswith("engine.")} - {"engine.interface"}

NAMELESS_ROOMS = {"util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"}

PURE_ROOMS = ("stomp", "topic", "catalog")
# fmt: off
IMPURE_MODULES = {
    "asyncio", "concurrent", "fileinput", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "picows",
    "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl", "structlog", "subprocess", "tempfile",
    "threading", "time", "urllib", "uvloop", "websockets",
}
# fmt: on
IMPURE_CALLS = {"open", "input", "print", "now", "utcnow", "today"}  # the last three: datetime's clocks

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
DOCUMENTED_NAMES_MIN = 10


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def walked(tree: ast.AST) -> list[ast.AST]:
    """All its nodes, for the rules that look at each."""
    return list(ast.walk(tree))


def dotted(path: Path) -> str:
    """``src/heliograph/stomp/parser.py`` is ``heliograph.stomp.parser``."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """``heliograph.engine.embedded.ring`` stands in ``engine.embedded``, ``heliograph.stomp.parser`` in ``stomp``."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["engine"] else parts[:1]) or "heliograph"


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and absolute name of all that ``module`` imports anywhere; a ``from`` import names each of its names."""
    package = module if is_package else module.rpartition(".")[0]
    for node in walked(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def rooms_imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    for line, name in imported(tree, module, is_package):
        if name.split(".")[0] == "heliograph":
            named = room_of(name)
            if named not in ARROWS and named.startswith("engine."):
                named = "engine"  # a name taken from the room's own __init__
            elif named not in ARROWS and name.count(".") == 1:
                named = "heliograph"  # likewise: its version
            yield line, named


def where(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def report(faults: list[str]) -> None:
    """Fail with the faults alone: where they stand and what the rule is."""
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


# --- rooms and arrows


@pytest.mark.parametrize("path", SOURCES, ids=dotted)
def test_imports_follow_the_arrows(path: Path):
    room = room_of(dotted(path))
    if room not in ARROWS:
        report([f"{where(path)}: {room} is no known room; give it a line in ARROWS and a dated decision"])
    allowed = ARROWS[room] | FOR_ALL | {room}
    if START_UP.fullmatch(path.relative_to(PACKAGE).as_posix()):
        allowed |= CONCRETE_ENGINES
    reached = rooms_imported(parsed(path), dotted(path), path.name == "__init__.py")
    report([f"{where(path, line)}: {room} may not import {named}" for line, named in reached if named not in allowed])


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import heliograph.broker.credit", {"broker"}),
        ("from heliograph import limits, stomp", {"limits", "stomp"}),
        ("from heliograph import __version__", {"heliograph"}),
        ("from heliograph.engine import embedded", {"engine.embedded"}),
        ("from heliograph.engine import Engine", {"engine"}),
        ("from heliograph.engine.interface import Engine", {"engine.interface"}),
        ("from . import acceptor", {"server"}),
        ("from .. import errors", {"errors"}),
        ("from ..cli.serve import serve", {"cli"}),
        ("if TYPE_CHECKING:\n    from ..client import Client", {"client"}),
        ("def late():\n    import heliograph.client", {"client"}),
        ("import heliographic", set()),
    ],
)
def test_the_arrows_see_every_form_of_import(source: str, rooms: set[str]):
    reached = rooms_imported(ast.parse(source), "heliograph.server.tcp", is_package=False)
    assert {room for _, room in reached} == rooms


def test_the_client_needs_no_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"\W", requirement)[0] for requirement in project["dependencies"]} | {"heliograph"}
    report(
        [
            f"{where(path, line)}: {name} is not among the base dependencies"
            for path in SOURCES
            if room_of(dotted(path)) in {"client"} | ARROWS["client"] | FOR_ALL
            for line, name in imported(parsed(path), dotted(path), path.name == "__init__.py")
            if name.split(".")[0] not in sys.stdlib_module_names | base
        ]
    )


def test_no_room_is_called_after_nothing():
    files = [path for path in tracked() if path.suffix == ".py"]
    report([f"{path}: say what it is" for path in files if NAMELESS_ROOMS & {*path.parts, path.stem}])


# --- pure rooms


def impurities(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    for line, name in imported(tree, module, is_package):
        if name.split(".")[0] in IMPURE_MODULES or name.startswith("importlib.resources"):
            yield line, f"imports {name}"
    for node in walked(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield node.lineno, "is asynchronous"
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in IMPURE_CALLS:
                yield node.lineno, f"calls {called}()"


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_know_no_clock_socket_or_file(room: str):
    files = [path for path in SOURCES if room_of(dotted(path)) == room]
    assert files, f"no room {room}"
    report(
        [
            f"{where(path, line)}: a pure room {fault}; pass in what it needs"
            for path in files
            for line, fault in impurities(parsed(path), dotted(path), path.name == "__init__.py")
        ]
    )


@pytest.mark.parametrize(
    "source",
    [
        "from time import monotonic",
        "import os.path",
        "from importlib import resources",
        "async def read(): ...",
        "datetime.now()",
        "open('x')",
    ],
)
def test_an_impurity_is_seen(source: str):
    assert list(impurities(ast.parse(source), "heliograph.stomp.parser", is_package=False))


# --- sizes


def test_files_and_functions_are_short():
    long = [
        f"{where(path)}: {lines} lines, over {FILE_LINES_MAX}"
        for path in SOURCES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]
    long += [
        f"{where(path, node.lineno)}: {node.name} has {lines} lines, over {FUNCTION_LINES_MAX}"
        for path in SOURCES
        for node in walked(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    report(long)


# --- the contract


CONTRACT_TEXT = ROOT.parent / "shared/contract.md"
CONTRACT_GROUPS = "|".join(sorted({statement.partition("-")[0] for statement in CONTRACT}))


@cache
def contract_tests() -> list[str]:
    return [
        node.name
        for path in sorted((ROOT / "tests/contract").rglob("test_*.py"))
        for node in walked(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def ids_named(test: str) -> set[str]:
    """``test_SESS_3_and_FEED_1_...`` names SESS-3 and FEED-1."""
    return {f"{group}-{number}" for group, number in re.findall(rf"(?<=_)({CONTRACT_GROUPS})_(\d+)(?=_|$)", test)}


@pytest.mark.parametrize("statement", CONTRACT)
def test_every_contract_statement_has_a_test(statement: str):
    if not any(statement in ids_named(test) for test in contract_tests()):
        report([f"no test_{statement.replace('-', '_')}_... in tests/contract/: {CONTRACT[statement]}"])


def test_contract_tests_name_known_statements():
    assert not {name for test in contract_tests() for name in ids_named(test)} - CONTRACT.keys()


@pytest.mark.skipif(not CONTRACT_TEXT.is_file(), reason="needs the contract's text in shared/ beside the clone")
def test_the_ids_are_those_of_the_contract():
    stated = re.findall(r"^- ([A-Z]+-\d+) ", CONTRACT_TEXT.read_text(encoding="utf-8"), re.M)
    assert sorted(stated) == sorted(CONTRACT)


# --- documents


def defined_in(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Dotted names of a module's classes, functions, methods, and assigned names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from defined_in(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield prefix + target.id
        elif isinstance(node, ast.If | ast.Try):
            yield from defined_in(node, prefix)


def is_defined(file: str, name: str) -> bool:
    path = next((base / file for base in (PACKAGE, ROOT) if (base / file).is_file()), None)
    return path is not None and name in defined_in(parsed(path))


def test_documented_names_exist():
    """Each `path.py:Name` or `path.py:Class.method` in backticks; paths from src/heliograph/ or from the root."""
    document = ROOT / "docs/architecture.md"
    text = document.read_text(encoding="utf-8") if document.is_file() else ""
    named = set(re.findall(r"`([\w/]+\.py):([\w.]+?)(?:\(\))?`", text))
    if len(named) < DOCUMENTED_NAMES_MIN:
        report(["docs/architecture.md should tell the way of one message by `server/websocket/link.py:Class.method`"])
    report(
        [
            f"docs/architecture.md: there is no {file}:{name}"
            for file, name in sorted(named)
            if not is_defined(file, name)
        ]
    )


# --- what is tracked

#: what must not stand in a tracked file: (which files, what).  One letter is in brackets so as not to find itself.
UNWANTED = {
    "a registry's address": (r".*", r"pyp[i]\.org|pythonhoste[d]\.org|registry\.npmj[s]|registry\.yarnpk[g]"),
    "an address in a lock file": (
        r".*(\.lock|lock\.json|requirements/.*\.txt)",
        r'"resolved": *"https?:|(url|index|registry) *[=:] *"https?:|^--(extra-)?(index-url|find-links)|file://|https?://',
    ),
    "a machine's path": (r".*", r"/wor[k]/(main|shared|\.library)|/roo[t]/|/hom[e]/\w+/|/Use[r]s/\w+/|/op[t]/pypi"),
    "something left open": (r"src/.*", r"\b(TODO|FIXME|XXX)\b|NotImplementedError"),
}


def tracked() -> list[Path]:
    """Paths of the tracked files, from the root; outside a git checkout there are none to ask about."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    return listed()


@cache
def listed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", UNWANTED)
def test_tracked_files_are_free_of(what: str):
    files, pattern = (re.compile(text, re.M) for text in UNWANTED[what])
    report(
        [
            f"{path}: {what}: {match.group()}"
            for path in tracked()
            if files.fullmatch(path.as_posix())
            and (match := pattern.search((ROOT / path).read_text(encoding="utf-8", errors="replace")))
        ]
    )
