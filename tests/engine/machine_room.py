"""What a crash of the embedded engine leaves: the process is gone, the files are as they were."""

from __future__ import annotations

from heliograph.engine.embedded.engine import EmbeddedEngine


def abandon(engine: EmbeddedEngine) -> None:
    """End ``engine`` as kill -9 would: nothing more is stored, and nobody is told anything."""
    for timer in engine._timers.values():
        timer.cancel()
    writer = engine.writer
    writer._call = lambda *args: None  # type: ignore[method-assign]
    writer._committer.finish = writer._committer.commit = Nothing  # type: ignore[assignment, method-assign]
    writer._stopping = True
    writer._commits.put(None)
    assert writer._thread is not None
    writer._thread.join()
    engine._store.close()


class Nothing:
    """What a writer that is dead has done."""

    error = None

    def __init__(self, commit: object = None) -> None:
        pass

    def __bool__(self) -> bool:
        return False
