"""The tests in forked processes: what was imported and collected once is there for all of them.

xdist's processes import and collect everything anew, and tell of each step of each test.  For thousands of tests of a
millisecond that costs a third of their time; where tests wait for servers it costs nothing to speak of.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from itertools import chain, groupby
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import pytest

#: What a number of a file takes in the pipe that all take them from.
_NUMBER_BYTES = 2


class Forks:
    """A plugin that runs the tests in ``count`` processes, those of a file in one and in their order."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self._config = config
        self._count = count
        self._files: list[list[pytest.Item]] = []
        self._told: list[dict[str, Any]] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Instead of pytest's own."""
        if self._config.option.collectonly or session.testsfailed:
            return None
        self._files = [list(items) for _, items in groupby(session.items, lambda item: item.path)]
        self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one, for all of them
        todo, end = os.pipe()
        os.write(end, b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in range(len(self._files))))
        os.close(end)
        children = dict(self._fork(todo) for _ in range(min(self._count, len(self._files))))
        os.close(todo)
        done = set(self._replayed(list(children)))
        for pid in children.values():
            os.waitpid(pid, 0)
        lost = [item.nodeid for item in session.items if item.nodeid not in done]
        if lost:
            session.shouldfail = f"a process ended before {len(lost)} tests of its own, the first of them {lost[0]}"
            raise session.Failed(session.shouldfail)
        return True

    # --- in the process that collected

    def _fork(self, todo: int) -> tuple[Connection, int]:
        here, there = Pipe(duplex=False)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            there.close()
            return here, pid
        code = 1
        try:
            here.close()
            self._run(todo, there)
            code = 0
        except KeyboardInterrupt:
            pass  # which the one who collected says
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _replayed(self, children: list[Connection]) -> Iterator[str]:
        """Tell pytest what they tell; the tests that are done."""
        while children:
            for child in wait(children):
                assert isinstance(child, Connection)
                try:
                    told = child.recv()
                except EOFError:
                    children.remove(child)
                    continue
                for each in told:
                    report = self._config.hook.pytest_report_from_serializable(config=self._config, data=each)
                    self._config.hook.pytest_runtest_logreport(report=report)
                    if report.when == "call" or not report.passed:
                        yield report.nodeid

    # --- in a process of their own

    def _run(self, todo: int, there: Connection) -> None:
        plugins = self._config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(_Teller(self._config, self._told))
        capture: Any = plugins.getplugin("capturemanager")
        capture.stop_global_capturing()  # its files are the others' too
        capture.start_global_capturing()
        items = self._taken(todo)
        item = next(items, None)
        while item is not None:
            following = next(items, None)
            self._config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if following is None or following.path != item.path:
                there.send(self._told)
                self._told.clear()
            item = following
        capture.stop_global_capturing()

    def _taken(self, todo: int) -> Iterator[pytest.Item]:
        """The tests of one file after the other, as long as there are files that no other process has taken."""
        return chain.from_iterable(
            self._files[int.from_bytes(number, "big")] for number in iter(lambda: os.read(todo, _NUMBER_BYTES), b"")
        )


class _Teller:
    """Keeps what a process has to tell of its tests."""

    def __init__(self, config: pytest.Config, told: list[dict[str, Any]]) -> None:
        self._config = config
        self._told = told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._told.append(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))
