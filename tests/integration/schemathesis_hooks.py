"""What Schemathesis loads beside its settings (``SCHEMATHESIS_HOOKS``)."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

#: As the document has it.
_TAGS = re.compile(r'\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*')


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Write whole numbers without a fraction, and lists of entity tags as lists of entity tags.

    To JSON Schema 7.0 is an integer, and no keyword says otherwise.  Here it is none: ids become words of a key, which
    have one spelling (docs/http.md, Errors).  And whatever the pattern of If-Match and If-None-Match says,
    Schemathesis 4.32 takes 0 for a value that is right.
    """
    case.body = _whole(case.body)
    if case.meta is not None and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
        for name in ("If-Match", "If-None-Match"):
            if not _TAGS.fullmatch(str(case.headers.get(name, "*"))):
                case.headers[name] = "*"


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
