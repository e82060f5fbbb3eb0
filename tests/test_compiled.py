import stat
import tempfile
from pathlib import Path

import numba
import pytest
from numba.core import caching

from anylect import compiled


def increase(number: int) -> int:
    return number + 1


def test_a_kernel_is_compiled_where_no_folder_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert compiled.compiled(increase)(41) == 42


def test_a_kernel_is_kept_in_a_private_folder_where_its_own_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provided = caching.UserProvidedCacheLocator  # the only one that works
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [provided])
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert compiled.compiled(increase)(41) == 42
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.rglob("*.nbi"))


def test_a_folder_others_can_write_to_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = compiled._private_folder()
    assert compiled._private_folder() == first
    first.chmod(0o777)
    assert compiled._private_folder() != first


def test_a_kernel_knows_every_file_it_is_made_of() -> None:
    from anylect.decoding import beam_kernels

    made_of = {name for name, *_ in compiled._stamp(beam_kernels.__name__)}
    assert {"beam_kernels.py", "moves.py", "hotwords.py", "rules.py", "ngram.py"} <= made_of
    assert "captions.py" not in made_of


def test_a_kept_kernel_whose_classes_have_other_names_now_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: object) -> None:
        raise AttributeError("module has no attribute 'OldName'")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_load_index", fail)
    assert compiled.compiled(increase)(41) == 42
