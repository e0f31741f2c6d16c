"""What the documents say of the code: limits, commands, targets, errors, contract, links."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import asdict

from heliograph import errors
from heliograph.limits import Limits
from heliograph.server.lifecycle import ServerGoingAway
from tests.contract.ids import CONTRACT

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/heliograph"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    ROOT.glob("docs/**/*.md")
)
COMMANDS = ("serve", "apply", "export", "play", "subscribe", "explain", "demo")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without the table's own two lines."""
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_table_of_limits_is_that_of_the_source():
    documented = {name.strip("`"): int(value) for name, value, _ in rows(PROTOCOL, "## Limits")}
    assert set(documented.items()) ^ set(asdict(Limits()).items()) == set(), "the table of limits in docs/protocol.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_limit_that_is_named_exists(document: Path):
    named = re.findall(r"`(\w+_(?:max|min|default|us))`", document.read_text(encoding="utf-8"))
    assert not set(named) - asdict(Limits()).keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_target_that_is_named_exists(document: Path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    code = re.findall(r"`[^`\n]+`|^    .*$|^\$ .*$", document.read_text(encoding="utf-8"), re.MULTILINE)
    named = {target for line in code for target in re.findall(r"\bmake ([a-z-]+)", line)}
    assert not named - set(targets)


def test_every_flag_of_the_readme_is_a_flag_of_a_command():
    command = Path(sys.executable).with_name("heliograph")
    known = {
        flag
        for name in COMMANDS
        for flag in re.findall(
            r"--[a-z-]+", subprocess.run([command, name, "--help"], capture_output=True, text=True, check=True).stdout
        )
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README))
    assert named
    assert not named - known


def test_the_readme_has_every_statement_of_the_contract_once():
    assert re.findall(r"^\| ([A-Z]+-\d+) \|", README, re.MULTILINE) == list(CONTRACT)


def test_every_statement_is_tested_where_the_readme_says():
    for statement, files in re.findall(r"^\| ([A-Z]+-\d+) \|.*\|([^|]*)\|$", README, re.MULTILINE):
        tests = "".join((ROOT / file).read_text(encoding="utf-8") for file in re.findall(r"\]\((.*?)\)", files))
        assert f"_{statement.replace('-', '_')}_" in tests, f"{statement} is not tested in{files}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path):
    targets = re.findall(r"\]\((?!https?:)([^)\s]*)\)", document.read_text(encoding="utf-8"))
    broken = [target for target in targets if not leads_somewhere(document, *target.partition("#")[::2])]
    assert broken == []


def leads_somewhere(document: Path, path: str, anchor: str) -> bool:
    target = document.parent / path if path else document
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    return not anchor or anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


# --- the catalogue of errors

#: What no STOMP peer ever sees: settings, files and the database of the operator, the client's own.
NOT_TOLD = {"errors.py", "directory/build.py", "directory/file.py", "directory/fault.py", "stomp/client_session.py",
            "broker/history.py", "broker/selection.py"}  # fmt: skip
NOT_TOLD_ROOMS = ("client/", "cli/", "directory/store/", "server/http/")
#: Wrapped into another message before it leaves the catalogue, or of HTTP alone.
WRAPPED = {"Invalid event type", "Unknown event type", "Invalid filter"}
TYPES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.HeliographError) and kind is not errors.SettingsError
}


def told() -> Iterator[tuple[str, int]]:
    """Message and close code of every error that the server makes."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in NOT_TOLD or name.startswith(NOT_TOLD_ROOMS):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TYPES):
                continue
            message = node.args[0]
            text = message.value if isinstance(message, ast.Constant) else constants.get(getattr(message, "id", ""))
            if isinstance(text, str):
                yield text, TYPES[node.func.id].close_code


def test_the_catalogue_of_errors_is_that_of_the_source():
    source: dict[str, set[int]] = defaultdict(set)
    for message, close_code in told():
        source[message].add(close_code)
    source["Missing header"].add(errors.ProtocolError.close_code)
    source[ServerGoingAway().message].add(ServerGoingAway.close_code)
    for message in WRAPPED:
        source.pop(message, None)
    documented = {message: {int(code)} for message, code, *_ in rows(PROTOCOL, "## ERROR")}
    assert {
        message for message in documented.keys() | source if documented.get(message) != source.get(message)
    } == set()
