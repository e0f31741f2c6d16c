"""Where a setting comes from, and what is said about one that is wrong."""

from pathlib import Path

import pytest

from heliograph.cli.configuration import ServeSettings, gather
from heliograph.errors import SettingsError
from heliograph.limits import Limits


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "heliograph.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_all_defaults():
    assert gather({"host": None}, {"PATH": "/bin"}, None) == ServeSettings()


def test_a_flag_wins_over_a_variable_and_that_over_the_file():
    write('host = "file"\nstomp_port = 1\ntcp_port = 1\nlog_level = "error"\n')
    found = gather({"host": "flag"}, {"HELIOGRAPH_HOST": "variable", "HELIOGRAPH_STOMP_PORT": "2"}, None)
    assert (found.host, found.stomp_port, found.tcp_port, found.log_level) == ("flag", 2, 1, "error")


def test_limits_come_from_file_and_variables():
    write("[limits]\nconnections_max = 5\nsubscriptions_max = 5\n")
    limits = gather({}, {"HELIOGRAPH_LIMITS_CONNECTIONS_MAX": "6"}, None).limits
    assert limits == Limits(connections_max=6, subscriptions_max=5)


def test_every_limit_can_be_set():
    names = Limits.__struct_fields__
    limits = gather({}, {f"HELIOGRAPH_LIMITS_{name.upper()}": "7" for name in names}, None).limits
    assert all(getattr(limits, name) == 7 for name in names)


def test_lists_and_empty_variables():
    found = gather(
        {},
        {"HELIOGRAPH_ALLOWED_ORIGINS": "https://a,https://b", "HELIOGRAPH_TCP_PORT": "", "HELIOGRAPH_HOST": ""},
        None,
    )
    assert found.allowed_origins == {"https://a", "https://b"}
    assert (found.tcp_port, found.host) == (None, "127.0.0.1")


def test_paths_in_a_file_begin_where_it_stands():
    path = write('apply = "site.toml"\ntls_cert = "/etc/cert.pem"\n', "etc/mine.toml")
    found = gather({"data_dir": Path("here")}, {}, path)
    assert (found.apply, found.tls_cert, found.data_dir) == (Path("etc/site.toml"), Path("/etc/cert.pem"), Path("here"))
    assert gather({}, {"HELIOGRAPH_CONFIG": str(path)}, None).apply == Path("etc/site.toml")


def test_the_clients_variables_are_no_settings():
    gather({}, {"HELIOGRAPH_URL": "ws://x/ws", "HELIOGRAPH_PASSWORD": "p", "HELIOGRAPH_SECRET": "s"}, None)


#: file, variables, flags → what the error says
WRONG = {
    "misspelt in the file": ("stomp_prot = 1", {}, {}, "heliograph.toml: stomp_prot: .*'stomp_port'"),
    "misspelt limit": ("[limits]\nconections_max = 1", {}, {}, "limits.conections_max: .*'connections_max'"),
    "misspelt variable": ("", {"HELIOGRAPH_STOMP_PROT": "1"}, {}, "HELIOGRAPH_STOMP_PROT: .*'stomp_port'"),
    "misspelt limit's variable": ("", {"HELIOGRAPH_LIMITS_X_MAX": "1"}, {}, "HELIOGRAPH_LIMITS_X_MAX: there is no"),
    "text for a number": ('stomp_port = "8674"', {}, {}, "stomp_port: '8674' is not a whole number"),
    "not a number": ("", {"HELIOGRAPH_TCP_PORT": "x"}, {}, "HELIOGRAPH_TCP_PORT: 'x' is not a whole number"),
    "not a choice": ('log_level = "loud"', {}, {}, "log_level: 'loud' is not one of debug, info, warning, error"),
    "not a path": ("apply = 1", {}, {}, "apply: 1 is not a path"),
    "not a list": ('allowed_origins = "x"', {}, {}, "allowed_origins: 'x' is not a list of texts"),
    "port": ("stomp_port = 65536", {}, {}, "stomp_port: 65536 is no port"),
    "port by flag": ("", {}, {"tcp_port": -1}, "--tcp-port: -1 is no port"),
    "limit of none": ("[limits]\nconnections_max = 0", {}, {}, "connections_max: 0 is no limit"),
    "limits no table": ("limits = 1", {}, {}, "limits: it is a table"),
    "not TOML": ("stomp_port 1", {}, {}, "this is not TOML: .*line 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_fault_names_its_place(case: str):
    text, variables, flags, message = WRONG[case]
    if text:
        write(text)
    with pytest.raises(SettingsError, match=message):
        gather(flags, variables, None)


def test_a_file_that_was_asked_for_must_be_there():
    with pytest.raises(SettingsError, match=r"nosuch\.toml: there is no such file"):
        gather({}, {}, Path("nosuch.toml"))


def test_when_the_log_is_synced_is_one_of_two():
    assert gather({}, {}, None).fsync == "always"
    assert gather({"fsync": "interval"}, {"HELIOGRAPH_FSYNC": "always"}, None).fsync == "interval"
    with pytest.raises(SettingsError, match="HELIOGRAPH_FSYNC: 'never' is not one of always, interval"):
        gather({}, {"HELIOGRAPH_FSYNC": "never"}, None)
