"""Each item of a batch has its own outcome, once it is stored."""

import asyncio
import json
from collections.abc import Sequence

from heliograph.broker.ingest import Letters
from heliograph.engine.interface import Confirm, Envelope
from heliograph.errors import BodyError, ServerError
from heliograph.server.http.events.batch import Batch


class Shelf:
    """An exchange whose disk the test moves on."""

    def __init__(self) -> None:
        self.confirms: list[Confirm | None] = []
        self.keys: list[str | None] = []

    def publish(self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], confirm: Confirm | None = None) -> range:
        if b"full" in bodies:
            raise ServerError("Storage trouble", "The disk is full.")
        self.confirms += [None] * (len(bodies) - 1) + [confirm]
        return range(len(self.confirms) - len(bodies) + 1, len(self.confirms) + 1)

    def confirm(self, number: int, error: ServerError | None) -> None:
        confirm = self.confirms[number]
        assert confirm is not None
        confirm(error)

    def read(self, body: bytes, dedup_id: str | None) -> Letters:
        if body == b"bad":
            raise BodyError("Invalid body", "No.", "/type")
        self.keys.append(dedup_id)
        return Letters([(self.publish, Envelope(name, "k", {}), body) for name in ("one", "two")])


def outcomes(batch: Batch) -> list[dict]:
    return [json.loads(each) for each in batch.outcomes]


async def test_it_is_stored_when_all_are_and_one_that_failed_says_so():
    shelf = Shelf()
    batch = Batch(shelf.read, "key", 10, 100)
    for body in (b"a", b"bad", b"c"):
        batch.take([body])
    done = asyncio.create_task(batch.stored())
    for number in range(3):
        shelf.confirm(number, None)
    await asyncio.sleep(0)
    assert not done.done()
    shelf.confirm(3, ServerError("Storage trouble", "The disk is full."))
    await done
    first, second, third = outcomes(batch)
    assert first == {"status": 201, "offsets": {"one": 1, "two": 2}}
    assert (second["status"], second["problem"]["errors"][0]["pointer"]) == (422, "/type")
    assert (third["status"], third["problem"]["title"]) == (503, "Storage trouble")
    assert shelf.keys == ["key#0", "key#2"]


async def test_what_no_exchange_takes_is_not_waited_for():
    batch = Batch(Shelf().read, None, 10, 100)
    batch.take([b"full"])
    await asyncio.wait_for(batch.stored(), 1)
    assert [each["status"] for each in outcomes(batch)] == [503]


async def test_items_that_are_too_long_or_too_many_are_not_taken():
    shelf = Shelf()
    batch = Batch(shelf.read, None, 2, 3)
    for body in (None, b"1234", b"x", b"y", b"z"):
        batch.take([body])
    assert [each["status"] for each in outcomes(batch)] == [413, 413, 413]
    assert not shelf.keys
    await asyncio.wait_for(batch.stored(), 1)


async def test_items_that_are_taken_together_are_confirmed_together():
    shelf = Shelf()
    batch = Batch(shelf.read, None, 10, 100)
    batch.take([b"a", b"bad", b"c"])
    batch.take([b"d"])
    done = asyncio.create_task(batch.stored())
    assert [confirm is not None for confirm in shelf.confirms] == [False, True] * 2 + [True] * 2
    for number in (1, 4, 5):
        shelf.confirm(number, None)
    await asyncio.sleep(0)
    assert not done.done()
    shelf.confirm(3, ServerError("Storage trouble", "The disk is full."))
    await done
    assert [each["status"] for each in outcomes(batch)] == [503, 422, 503, 201]
    assert outcomes(batch)[3] == {"status": 201, "offsets": {"one": 5, "two": 6}}


async def test_a_group_whose_last_is_not_taken_is_not_told_as_stored():
    shelf = Shelf()
    batch = Batch(shelf.read, None, 10, 100)
    batch.take([b"a", b"full"])
    batch.take([b"c"])
    for number in range(2):
        shelf.confirm(number, None)
    await asyncio.wait_for(batch.stored(), 1)
    assert [each["status"] for each in outcomes(batch)] == [503, 503, 201]
