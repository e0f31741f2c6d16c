"""What ``export`` prints is what a file says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from heliograph.directory.file import (
    AccountEntry,
    DirectoryFile,
    EventTypeEntry,
    GrantEntry,
    MessageTypeEntry,
    OperatorEntry,
    PartnerEntry,
    RetentionEntry,
    ServiceEntry,
    SystemEntry,
    read_directory_file,
)
from heliograph.directory.quota import Quota
from heliograph.directory.secret import Secret
from heliograph.directory.toml import toml_text

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = st.integers(-(2**63), 2**63 - 1)


def several(entries: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(entries, max_size=3).map(tuple)


values = st.recursive(
    st.none() | st.booleans() | ids | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)
bounds = st.none() | st.integers(1, 2**63 - 1)
retention = st.builds(RetentionEntry, log_ms_max=bounds, log_bytes_max=bounds)
systems = st.builds(
    SystemEntry,
    name=texts,
    secret=st.none(),
    message_types=several(texts),
    retention=st.dictionaries(texts, retention, max_size=2),
)
partners = st.builds(
    PartnerEntry,
    id=ids,
    name=texts,
    email=texts,
    password=st.none(),
    disabled=st.booleans(),
    quota=st.builds(Quota, connections=bounds, messages_per_s=bounds, bytes_per_s=bounds),
    grants=several(st.builds(GrantEntry, system=texts, message_types=several(texts))),
    accounts=several(st.builds(AccountEntry, id=ids, cameras=st.none() | several(ids))),
)
files = st.builds(
    DirectoryFile,
    systems=several(systems),
    partners=several(partners),
    event_types=several(st.builds(EventTypeEntry, name=texts, supertype=st.none() | texts)),
    message_types=several(
        st.builds(
            MessageTypeEntry,
            name=texts,
            key=texts,
            body=st.just("any") | st.dictionaries(texts, values),
            places=st.dictionaries(texts, texts),
            actions=several(texts),
            source=st.sampled_from(["events", "faces", "users", None]),
        )
    ),
    services=several(
        st.builds(ServiceEntry, name=texts, secret=st.none(), subscribe=several(texts), publish=several(texts))
    ),
    operators=st.none() | st.lists(st.builds(OperatorEntry, name=texts, token=st.none()), min_size=1).map(tuple),
)


@given(files)
def test_what_is_written_reads_the_same(tmp_path_factory, file: DirectoryFile):
    path: Path = tmp_path_factory.getbasetemp() / "exported.toml"
    path.write_bytes(toml_text(file).encode())
    assert read_directory_file(path) == file


def test_secrets_are_left_out():
    file = DirectoryFile(
        systems=(SystemEntry(name="a", secret=Secret("canary")),),
        partners=(PartnerEntry(id=1, name="b", email="b@b", password=Secret("canary")),),
        services=(ServiceEntry(name="c", secret=Secret("canary")),),
        operators=(OperatorEntry(name="d", token=Secret("canary")),),
    )
    assert "canary" not in toml_text(file)


def test_long_lists_have_a_line_for_each():
    file = DirectoryFile(services=(ServiceEntry(name="c", subscribe=("/exchange/acme_raw/" + "x" * 90,)),))
    assert '\n    "/exchange/acme_raw/' in toml_text(file)
