import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import tiny_config

from anylect.training.garbage import put_off_collections
from anylect.training.journal import Event
from anylect.workflows.train import train


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.enable()


def test_what_is_made_before_it_settles_is_not_looked_through_again() -> None:
    with put_off_collections() as settle:
        assert not gc.isenabled()
        loaded = [[number] for number in range(1000)]
        settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(loaded)
    assert gc.get_freeze_count() == 0


def test_a_failure_leaves_all_as_it_was() -> None:
    with pytest.raises(ValueError, match="no data"), put_off_collections():
        raise ValueError("no data")
    assert gc.isenabled()


def test_who_looks_for_no_cycles_goes_on_so() -> None:
    gc.disable()
    with put_off_collections() as settle:
        settle()
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_while_a_model_learns_cycles_are_looked_for(tone_manifest: Path, tmp_path: Path) -> None:
    found: set[tuple[bool, bool]] = set()

    def look(event: Event) -> None:
        if event["event"] == "update":
            found.add((gc.isenabled(), gc.get_freeze_count() > 0))

    train(tiny_config(tone_manifest, tmp_path / "run"), listeners=[look])
    assert found == {(True, True)}
    assert gc.get_freeze_count() == 0
