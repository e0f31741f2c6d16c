"""What ``serve`` is to do: a flag wins over a variable, a variable over the file, the file over the default.

    flag        --stomp-port 8674
    variable    HELIOGRAPH_STOMP_PORT=8674       limits: HELIOGRAPH_LIMITS_CONNECTIONS_MAX=100
    file        stomp_port = 8674                limits: connections_max = 100 under [limits]

The file is ``heliograph.toml`` in the working directory, or what ``--config`` (``HELIOGRAPH_CONFIG``) names; paths
in it begin where it stands.  A name that no setting has is an error, since a misspelt limit protects nobody.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import fields

from heliograph.cli.connection import CLIENT_VARIABLES
from heliograph.directory.fault import did_you_mean
from heliograph.directory.secret import Secret
from heliograph.errors import SettingsError
from heliograph.limits import Limits
from heliograph.server.settings import Settings

DEFAULT_FILE = Path("heliograph.toml")
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]

_VARIABLE = "HELIOGRAPH_"
_FILE_BYTES_MAX = 1_048_576  #: a settings file has a few hundred


class ServeSettings(Settings, frozen=True, forbid_unknown_fields=True):
    """A server's settings, and how its log is written."""

    log_level: LogLevel = "info"
    log_format: LogFormat = "console"


_TYPES: dict[str, Any] = {field.name: field.type for field in fields(ServeSettings) if field.name != "limits"}
_LIMITS: dict[str, Any] = {field.name: field.type for field in fields(Limits)}
_KINDS = {
    int: "a whole number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    Secret: "text",
    frozenset[str]: "a list of texts",
}


def gather(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None) -> ServeSettings:
    """The settings from all places; SettingsError names the place, what is wrong there, and how to mend it.

    ``flags``: by the setting's name, None where not given.
    """
    settings: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    if config is None and environment.get(f"{_VARIABLE}CONFIG"):
        config = Path(environment[f"{_VARIABLE}CONFIG"])
    for values in (
        _from_file(config),
        _from_environment(environment),
        _converted({n: v for n, v in flags.items() if v is not None}, _TYPES, _flag, strict=True),
    ):
        limits |= values.pop("limits", {})
        settings |= values
    return ServeSettings(**settings, limits=Limits(**limits))


def _flag(name: str) -> str:
    return "--" + name.removesuffix("s").replace("_", "-")


def _from_file(config: Path | None) -> dict[str, Any]:
    path = config or DEFAULT_FILE
    if config is None and not path.exists():
        return {}
    tables = _read_toml(path)
    limits = tables.pop("limits", {})
    if not isinstance(limits, dict):
        raise _fault(f"{path}: limits", "it is a table: write [limits], and below it a line for each limit.")
    values = _converted(tables, {**_TYPES, "limits": dict}, lambda name: f"{path}: {name}", strict=True)
    for name, value in values.items():
        if isinstance(value, Path):
            values[name] = path.parent / value
    values["limits"] = _converted(limits, _LIMITS, lambda name: f"{path}: limits.{name}", strict=True)
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise _fault(str(path), f"it has more than {_FILE_BYTES_MAX} octets; is it the right file?")
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise _fault(str(path), "there is no such file. Mend --config.") from None
    except OSError as error:
        raise _fault(str(path), f"it cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise _fault(str(path), f"octet {error.start} is not UTF-8. TOML is UTF-8; save the file as that.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fault(str(path), f"this is not TOML: {error}. Mend that line.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(_VARIABLE) or variable in CLIENT_VARIABLES or variable == f"{_VARIABLE}CONFIG":
            continue
        name = variable.removeprefix(_VARIABLE).lower()
        if name.startswith("limits_"):
            limits[name.removeprefix("limits_")] = text
        else:
            values[name] = text
    values = {name: text.split(",") if _TYPES.get(name) == frozenset[str] else text for name, text in values.items()}
    found = _converted(_not_empty(values), _TYPES, lambda name: _VARIABLE + name.upper(), strict=False)
    found["limits"] = _converted(
        _not_empty(limits), _LIMITS, lambda name: f"{_VARIABLE}LIMITS_{name.upper()}", strict=False
    )
    return found


def _not_empty(values: dict[str, Any]) -> dict[str, Any]:
    """An empty variable is one that is not set, as shells have it."""
    return {name: value for name, value in values.items() if value not in ("", [""])}


def _converted(
    values: Mapping[str, object], types: Mapping[str, Any], place: Callable[[str], str], *, strict: bool
) -> dict[str, Any]:
    """Each value as its setting's type.  ``place`` says where a name stands; ``strict``: text is no number."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        where = place(name)
        if name not in types:
            raise _fault(where, f"there is no such setting.{did_you_mean(name, types)}")
        try:
            found[name] = msgspec.convert(value, types[name], strict=strict, dec_hook=_from_text)
        except msgspec.ValidationError:
            raise _fault(where, f"{value!r} is not {_kind(types[name])}.") from None
        _check_range(where, name, found[name], is_limit=types is _LIMITS)
    return found


#: Limits of which 0 means "not at all".
_MAY_BE_ZERO = frozenset({"busy_poll_us"})


def _check_range(where: str, name: str, value: object, is_limit: bool) -> None:
    if is_limit and isinstance(value, int) and value < (0 if name in _MAY_BE_ZERO else 1):
        raise _fault(where, f"{value} is no limit. Limits are 1 or more.")
    if name.endswith("_port") and isinstance(value, int) and not 0 <= value <= 65_535:
        raise _fault(where, f"{value} is no port. Ports are 0 to 65535; 0 picks a free one.")


def _from_text(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError


def _kind(of: Any) -> str:
    if all(isinstance(choice, str) for choice in get_args(of)) and get_args(of):
        return f"one of {', '.join(get_args(of))}"
    plain = next((member for member in get_args(of) if member in _KINDS), of)
    return _KINDS.get(of) or _KINDS.get(plain, "of the right kind")


def _fault(place: str, sentences: str) -> SettingsError:
    return SettingsError("Bad settings", f"{place}: {sentences}")
