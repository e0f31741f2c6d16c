"""Login and password to principal, with real argon2id at the least cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from heliograph.directory.build import build_directory
from heliograph.directory.credentials import Authenticator
from heliograph.directory.file import DirectoryFile
from heliograph.directory.hashed import Credential, HashedSecrets
from heliograph.directory.principal import Identity
from heliograph.directory.secret import Secret
from heliograph.errors import LimitError, LoginError, ServerError
from heliograph.limits import Limits
from tests.hashing import hash_all

if TYPE_CHECKING:
    from tests.unit.directory.conftest import CountingHasher

OPS = "ops@northwind.example"
PASSWORD = "correct horse battery"


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


Make = Callable[..., "Authenticator"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(
    read: Callable[[str], DirectoryFile], example: str, hasher: CountingHasher, clock: Clock
) -> AsyncIterator[Make]:
    """Make authenticators for the example; they are closed at the end."""
    file = read(example)
    hashed = hash_all(file.secrets(), hasher)
    made: list[Authenticator] = []

    def make_one(limits: Limits | None = None, hashed: HashedSecrets = hashed) -> Authenticator:
        made.append(Authenticator(build_directory(file), hashed, limits or Limits(), hasher=hasher, monotonic=clock))
        return made[-1]

    yield make_one
    hasher.go_on.set()
    for authenticator in made:
        authenticator.close()


async def refusal(authenticator: Authenticator, login: str, password: str) -> tuple[str, str]:
    """The answer to a login that fails: message and detail."""
    with pytest.raises(LoginError) as caught:
        await authenticator.authenticate(login, password)
    return caught.value.message, caught.value.detail


@pytest.mark.parametrize(
    ("login", "password", "kind"),
    [(OPS, PASSWORD, "Partner"), ("acme", "producer-secret", "System"), ("archiver", "service-secret", "Service")],
)
async def test_each_kind_of_principal_logs_in(make: Make, login: str, password: str, kind: str) -> None:
    principal = (await make().authenticate(login, password)).principal
    assert type(principal).__name__ == kind
    assert principal.login == login


async def test_unknown_and_wrong_have_one_answer_and_the_same_work(make: Make, hasher: CountingHasher) -> None:
    authenticator = make()
    wrong = await refusal(authenticator, OPS, "wrong")
    unknown = await refusal(authenticator, "nobody@northwind.example", "wrong")
    assert wrong == ("Bad CONNECT", f"Access refused for user '{OPS}'")
    assert unknown == (wrong[0], wrong[1].replace("ops", "nobody"))
    assert hasher.passwords == [b"wrong", b"wrong"]
    known_hash, unknown_hash = hasher.hashes
    assert known_hash != unknown_hash
    assert extract_parameters(str(known_hash)) == extract_parameters(str(unknown_hash))


@pytest.mark.parametrize(
    ("login", "password"),
    [
        (OPS, ""),
        (OPS, PASSWORD + " "),
        (OPS, PASSWORD.upper()),
        (OPS.upper(), PASSWORD),
        (OPS, "producer-secret"),
        ("Northwind Alarm", PASSWORD),
        ("7", PASSWORD),
        ("", ""),
        ("\ud800", "\udfff"),
        (f"{OPS}\0", PASSWORD),
        (f"{OPS}\0{PASSWORD}", ""),
    ],
)
async def test_what_is_nearly_right_is_wrong(make: Make, hasher: CountingHasher, login: str, password: str) -> None:
    authenticator = make()
    await authenticator.authenticate(OPS, PASSWORD)
    assert (await refusal(authenticator, login, password))[0] == "Bad CONNECT"
    assert len(hasher.passwords) == 2


async def test_the_answer_can_stand_in_a_frame(make: Make) -> None:
    _, detail = await refusal(make(), "a\r\nb\0\ud800", "x")
    assert detail == "Access refused for user 'a\ufffd\ufffdb\ufffd\ufffd'"


@pytest.mark.parametrize(("login", "password"), [(OPS, "x" * 1025), ("x" * 1025, "y"), (OPS, "é" * 513)])
async def test_overlong_ones_are_refused_after_the_same_work(
    make: Make, hasher: CountingHasher, login: str, password: str
) -> None:
    message, detail = await refusal(make(), login, password)
    assert message == "Bad CONNECT"
    assert len(detail) < 1_100
    assert hasher.passwords == [b""]
    assert extract_parameters(str(hasher.hashes[0])).memory_cost == hasher.memory_cost


async def test_the_longest_password_is_taken_whole(hasher: CountingHasher) -> None:
    limits = Limits()
    file = DirectoryFile()
    longest = "x" * limits.credential_bytes_max
    hashed = hash_all({"a": Secret(longest)}, hasher)
    assert hasher.verify(hashed.by_login["a"][0].hash, longest)
    authenticator = Authenticator(build_directory(file), hashed, limits, hasher=hasher)
    await refusal(authenticator, "a", longest)  # a hash without a principal lets nobody in
    authenticator.close()


async def test_a_principal_without_a_hash_cannot_log_in(make: Make, hasher: CountingHasher) -> None:
    unknown = hasher.hash("whatever")
    authenticator = make(hashed=HashedSecrets({}, unknown))
    await refusal(authenticator, OPS, "whatever")
    assert hasher.passwords == [b"whatever"]


# --- several credentials, and changes of the directory


def stored(hasher: CountingHasher, *passwords: str, expires_ms: int | None = None) -> tuple[Credential, ...]:
    return tuple(Credential(number, hasher.hash(text), expires_ms) for number, text in enumerate(passwords, start=1))


async def test_each_of_several_credentials_lets_in(make: Make, hasher: CountingHasher) -> None:
    authenticator = make(hashed=HashedSecrets({OPS: stored(hasher, "a", "b")}, hasher.hash("unknown")))
    assert [(await authenticator.authenticate(OPS, each)).credential for each in ("a", "b")] == [1, 2]
    await refusal(authenticator, OPS, "c")


async def test_the_work_is_the_same_for_all_that_fail_however_many_each_has(make: Make, hasher: CountingHasher) -> None:
    several = {OPS: stored(hasher, "a", "b", "c"), "acme": stored(hasher, "d")}
    authenticator = make(hashed=HashedSecrets(several, hasher.hash("unknown")))
    for login, password in ((OPS, "x"), ("acme", "x"), ("archiver", "x"), ("nobody", "x"), (OPS, "x" * 1025)):
        hasher.passwords.clear()
        await refusal(authenticator, login, password)
        assert len(hasher.passwords) == 3, login
    await refusal(authenticator, "nobody", "unknown")


async def test_an_expired_one_lets_nobody_in_not_even_when_it_is_remembered(
    read: Callable[[str], DirectoryFile], example: str, hasher: CountingHasher
) -> None:
    now_s = 1_000.0
    hashed = HashedSecrets({OPS: stored(hasher, "a", expires_ms=1_000_500)}, hasher.hash("unknown"))
    directory = build_directory(read(example))
    authenticator = Authenticator(directory, hashed, Limits(), hasher=hasher, wall=lambda: now_s)
    assert (await authenticator.authenticate(OPS, "a")).credential == 1
    assert authenticator.stands(OPS, 1)
    now_s = 1_000.5
    assert not authenticator.stands(OPS, 1)
    await refusal(authenticator, OPS, "a")
    assert authenticator.take_used() == {1: 1_000_000}
    assert authenticator.take_used() == {}
    authenticator.close()


async def test_a_withdrawn_one_lets_nobody_in_and_a_new_one_does(
    make: Make, read: Callable[[str], DirectoryFile], example: str, hasher: CountingHasher
) -> None:
    authenticator = make(hashed=HashedSecrets({OPS: stored(hasher, "a", "b")}, hasher.hash("unknown")))
    await authenticator.authenticate(OPS, "a")
    await authenticator.authenticate(OPS, "b")
    hasher.passwords.clear()
    kept = Credential(2, hasher.hash("b"))
    new = (Credential(3, hasher.hash("c")), kept)
    authenticator.replace(build_directory(read(example)), HashedSecrets({OPS: new}, hasher.hash("unknown")))
    assert (await authenticator.authenticate(OPS, "b")).credential == 2
    assert hasher.passwords == [], "who was verified a moment ago still is"
    await refusal(authenticator, OPS, "a")
    assert (await authenticator.authenticate(OPS, "c")).credential == 3


async def test_a_verification_that_runs_is_measured_by_the_new_directory(
    make: Make, read: Callable[[str], DirectoryFile], example: str, hasher: CountingHasher
) -> None:
    authenticator = make()
    hasher.go_on.clear()
    login = asyncio.create_task(authenticator.authenticate(OPS, PASSWORD))
    async with asyncio.timeout(5):
        while not hasher.passwords:
            await asyncio.sleep(0.001)
    disabled = example.replace("id = 7", "id = 7\ndisabled = true")
    authenticator.replace(build_directory(read(disabled)), hash_all(read(example).secrets(), hasher))
    hasher.go_on.set()
    with pytest.raises(LoginError, match="Access refused"):
        await login


async def test_who_comes_after_a_change_shares_no_verification_from_before_it(
    make: Make, read: Callable[[str], DirectoryFile], example: str, hasher: CountingHasher
) -> None:
    authenticator = make()
    hasher.go_on.clear()
    before = asyncio.create_task(authenticator.authenticate(OPS, "new"))
    async with asyncio.timeout(5):
        while not hasher.passwords:
            await asyncio.sleep(0.001)
    hashed = HashedSecrets({OPS: stored(hasher, "new")}, hasher.hash("unknown"))
    authenticator.replace(build_directory(read(example)), hashed)
    after = asyncio.create_task(authenticator.authenticate(OPS, "new"))
    await asyncio.sleep(0)
    hasher.go_on.set()
    assert (await after).principal.login == OPS
    with pytest.raises(LoginError):
        await before


async def test_a_damaged_hash_does_not_shut_out_the_others(make: Make, hasher: CountingHasher) -> None:
    both = (Credential(1, "$argon2id$damaged"), Credential(2, hasher.hash("b")))
    authenticator = make(hashed=HashedSecrets({OPS: both}, hasher.hash("x")))
    assert (await authenticator.authenticate(OPS, "b")).credential == 2


# --- remembering


async def test_a_success_is_remembered_for_its_time(make: Make, hasher: CountingHasher, clock: Clock) -> None:
    authenticator = make(Limits(verified_ms_max=60_000))
    first = await authenticator.authenticate(OPS, PASSWORD)
    clock.now_s += 59.9
    assert (await authenticator.authenticate(OPS, PASSWORD)).credential == first.credential
    assert len(hasher.passwords) == 1
    clock.now_s += 0.1
    assert (await authenticator.authenticate(OPS, PASSWORD)).credential == first.credential
    assert len(hasher.passwords) == 2


async def test_a_failure_is_never_remembered(make: Make, hasher: CountingHasher) -> None:
    authenticator = make()
    for _ in range(3):
        await refusal(authenticator, OPS, "wrong")
        await refusal(authenticator, "nobody", "wrong")
    assert len(hasher.passwords) == 6


async def test_a_remembered_login_does_not_let_another_password_in(make: Make) -> None:
    authenticator = make()
    await authenticator.authenticate(OPS, PASSWORD)
    await refusal(authenticator, OPS, "wrong")


async def test_the_memory_is_bounded(make: Make, hasher: CountingHasher) -> None:
    authenticator = make(Limits(verified_max=1))
    await authenticator.authenticate(OPS, PASSWORD)
    await authenticator.authenticate("acme", "producer-secret")
    await authenticator.authenticate(OPS, PASSWORD)
    assert len(hasher.passwords) == 3


# --- many at once


async def test_a_thousand_reconnects_cost_one_verification(make: Make, hasher: CountingHasher) -> None:
    authenticator = make(Limits(verifications_waiting_max=1))
    hasher.go_on.clear()
    logins = [asyncio.create_task(authenticator.authenticate(OPS, PASSWORD)) for _ in range(1_000)]
    await asyncio.sleep(0)
    for login in logins[::2]:
        login.cancel()
    hasher.go_on.set()
    answers = await asyncio.gather(*logins, return_exceptions=True)
    assert len(hasher.passwords) == 1
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert {answer.principal.login for answer in answers[1::2] if isinstance(answer, Identity)} == {OPS}


async def test_each_who_shares_a_failure_gets_an_error_of_its_own(make: Make, hasher: CountingHasher) -> None:
    authenticator = make()
    answers = await asyncio.gather(
        *(authenticator.authenticate(OPS, "wrong") for _ in range(10)), return_exceptions=True
    )
    assert len(hasher.passwords) == 1
    assert {type(answer) for answer in answers} == {LoginError}
    assert len(set(map(id, answers))) == 10


async def test_guesses_at_one_account_leave_the_others_a_thread(make: Make, hasher: CountingHasher) -> None:
    authenticator = make()
    hasher.go_on.clear()
    guesses = [asyncio.create_task(authenticator.authenticate(OPS, f"guess {number}")) for number in range(10)]
    other = asyncio.create_task(authenticator.authenticate("acme", "producer-secret"))
    async with asyncio.timeout(5):
        while len(hasher.passwords) < 2:
            await asyncio.sleep(0.001)
    assert hasher.passwords == [b"guess 0", b"producer-secret"]
    hasher.go_on.set()
    assert (await other).principal.login == "acme"
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LoginError}


async def test_a_full_line_is_a_limit_error_for_known_and_unknown_alike(make: Make, hasher: CountingHasher) -> None:
    authenticator = make(Limits(verifications_max=1, verifications_waiting_max=1))
    hasher.go_on.clear()
    taken = [asyncio.create_task(authenticator.authenticate(login, "wrong")) for login in ("a", "b")]
    await asyncio.sleep(0)
    for login in (OPS, "nobody"):
        with pytest.raises(LimitError, match="Busy"):
            await authenticator.authenticate(login, "wrong")
    hasher.go_on.set()
    await asyncio.gather(*taken, return_exceptions=True)


async def test_a_damaged_hash_is_our_fault_and_lets_nobody_in(make: Make, hasher: CountingHasher) -> None:
    authenticator = make(hashed=HashedSecrets({OPS: (Credential(1, "$argon2id$damaged"),)}, hasher.hash("x")))
    with pytest.raises(ServerError, match="could not be verified"):
        await authenticator.authenticate(OPS, PASSWORD)


async def test_close_ends_the_threads(make: Make) -> None:
    before = set(threading.enumerate())
    authenticator = make()
    await authenticator.authenticate(OPS, PASSWORD)
    authenticator.close()
    assert set(threading.enumerate()) <= before
    assert (await authenticator.authenticate(OPS, PASSWORD)).principal.login == OPS  # remembered
    with pytest.raises(ServerError):
        await authenticator.authenticate("acme", "producer-secret")


# --- what it costs


async def test_the_default_cost_is_that_of_rfc_9106() -> None:
    hashed = hash_all({}, PasswordHasher())
    assert extract_parameters(hashed.unknown) == RFC_9106_LOW_MEMORY
    authenticator = Authenticator(build_directory(DirectoryFile()), hashed, Limits())
    assert (await refusal(authenticator, "nobody", "x"))[0] == "Bad CONNECT"
    authenticator.close()


# --- too many failures


FEW = Limits(failed_logins_max=3)


async def test_guesses_are_refused_without_a_verification_and_the_owner_gets_in_elsewhere(
    make: Make, hasher: CountingHasher
) -> None:
    authenticator = make(FEW)
    for number in range(3):
        with pytest.raises(LoginError):
            await authenticator.authenticate(OPS, f"guess {number}", "192.0.2.1")
    verified = len(hasher.passwords)
    for password in ("guess 4", PASSWORD):
        with pytest.raises(LimitError) as caught:
            await authenticator.authenticate(OPS, password, "192.0.2.1")
        assert caught.value.retry_after_s == 300
    assert len(hasher.passwords) == verified
    await authenticator.authenticate(OPS, PASSWORD, "192.0.2.2")
    with pytest.raises(LimitError):  # a remembered success tells a guesser nothing
        await authenticator.authenticate(OPS, PASSWORD, "192.0.2.1")


async def test_guesses_at_once_are_no_more_than_one_after_another(make: Make) -> None:
    authenticator = make(FEW)
    guesses = [authenticator.authenticate(OPS, f"guess {number}", "192.0.2.1") for number in range(20)]
    answers = await asyncio.gather(
        *guesses, authenticator.authenticate(OPS, PASSWORD, "192.0.2.1"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [LoginError] * 3 + [LimitError] * 18


async def test_unknown_logins_are_counted_like_known_ones(make: Make) -> None:
    async def answers(login: str) -> list[tuple[type, str]]:
        authenticator, found = make(FEW), []
        for _ in range(5):
            with pytest.raises((LoginError, LimitError)) as caught:
                await authenticator.authenticate(login, "wrong", "192.0.2.1")
            found.append((caught.type, caught.value.detail.replace(login, "…")))
        return found

    assert await answers(OPS) == await answers("nobody@northwind.example")
