import time

import msgspec
import pytest

from heliograph.topic.matcher import WordStep, explain, matches

KEY = "7.12345.32.create.objectDetected.faceDetected"


def summary(pattern: str, key: str = KEY) -> str:
    return explain(pattern.split("."), key.split(".")).summary


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("#", "a", True),
        ("#", "a.b.c", True),
        ("*", "a", True),
        ("*", "a.b", False),
        ("a.#", "a", True),
        ("#.a", "a", True),
        ("#.a", "a.a", True),
        ("#.a.#", "b.a.b", True),
        ("#.a.#", "b.b", False),
        ("*.#", "a", True),
        ("*.*.#", "a", False),
        ("a.#.b.c", "a.b.b.c", True),
        ("a.#.b.#.c", "a.c.b", False),
        ("#.a.b.#.a.c", "a.b.a.a.b.a.c", True),
        ("a", "A", False),
    ],
)
def test_matches(pattern: str, key: str, expected: bool):
    assert matches(pattern.split("."), key.split(".")) is expected
    assert explain(pattern.split("."), key.split(".")).matches is expected


def test_the_empty_pattern_takes_the_empty_key_alone():
    assert matches((), ())
    assert matches(("#",), ())
    assert not matches((), ("a",))
    assert not matches(("*",), ())
    assert [explain(p, ()).matches for p in ((), ("#",), ("*",))] == [True, True, False]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (["#"] + ["a"] * 63 + ["b"], ["a"] * 128),
        (["#", "a"] * 20 + ["#", "b"], ["a"] * 128),
        (["#", "a", "*", "a"] * 31 + ["b"], ["a"] * 128),
    ],
)
def test_no_pattern_is_slow(pattern: list[str], words: list[str]):
    start = time.perf_counter()
    for _ in range(100):
        assert not matches(pattern, words)
    assert time.perf_counter() - start < 1  # measured: 4 to 40 ms


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (KEY, "pattern matches"),
        ("7.*.32.create.#", "pattern matches: word 5: '#' takes objectDetected.faceDetected"),
        (KEY + ".#", "pattern matches: word 7: '#' takes no word"),
        ("7.12345.32.create.vmdDetected", "word 5: pattern says 'vmdDetected', key has 'objectDetected'"),
        ("*.*.*.*.objectdetected.#", "word 5: pattern says 'objectdetected', key has 'objectDetected'; case counts"),
        ("7.12345.33.#", "word 3: pattern says '33', key has '32'"),
        ("9.#", "word 1: pattern says '9', key has '7'"),
        ("7.12345.32.create.objectDetected", "key goes on with 'faceDetected' - add .# to match sub-types"),
        ("7.12345.*.*", "key goes on with 'objectDetected' - add .# to match sub-types"),
        (KEY + ".faceRecognized", "key ends after word 6; pattern wants 1 more"),
        (KEY + ".*.a.#", "key ends after word 6; pattern wants 2 more"),
        ("7.#.create.personDetected", "word 4: pattern says 'personDetected', key has 'objectDetected'"),
        ("#.create.#.catDetected", "word 4: pattern says 'catDetected', key has 'objectDetected' or 'faceDetected'"),
        ("7.12345.32.#.cat", "word 5: pattern says 'cat', key has 'create', 'objectDetected' or 'faceDetected'"),
        ("7.#.cat", "word 3: pattern says 'cat', key has '12345', '32', 'create', 'objectDetected', …"),
        ("#.objectDetected", "key goes on with 'faceDetected' - add .# to match sub-types"),
    ],
)
def test_the_summary_says_what_is_wrong(pattern: str, expected: str):
    assert summary(pattern) == expected


def test_a_match_is_told_word_by_word():
    assert explain(("7", "#", "create", "*", "#"), tuple(KEY.split("."))).steps == (
        WordStep(1, "7", ("7",)),
        WordStep(2, "#", ("12345", "32")),
        WordStep(3, "create", ("create",)),
        WordStep(4, "*", ("objectDetected",)),
        WordStep(5, "#", ("faceDetected",)),
    )


def test_a_failure_is_told_up_to_the_word_that_fails():
    told = explain(("7", "*", "33", "#"), ("7", "1", "32"))
    assert told.steps == (
        WordStep(1, "7", ("7",)),
        WordStep(2, "*", ("1",)),
        WordStep(3, "33", (), "pattern says '33', key has '32'"),
    )
    assert told.rest == ()


def test_what_is_left_over_is_told():
    told = explain(("a", "*"), ("a", "b", "c", "d"))
    assert (told.rest, len(told.steps)) == (("c", "d"), 2)


def test_an_explanation_is_json():
    assert msgspec.json.decode(msgspec.json.encode(explain(("a",), ("b",)))) == {
        "matches": False,
        "summary": "word 1: pattern says 'a', key has 'b'",
        "steps": [{"number": 1, "word": "a", "took": [], "fault": "pattern says 'a', key has 'b'"}],
        "rest": [],
    }
