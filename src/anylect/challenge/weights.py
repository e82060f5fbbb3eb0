"""Are a submission's weights there, whole, and free of code? Headers say so, without torch."""

import json
import struct
from pathlib import Path

from anylect.challenge.submission import iterate_files
from anylect.errors import SubmissionError
from anylect.hub.transfer import PICKLES

_POINTER = b"version https://git-lfs"
_LONGEST_HEADER = 100_000_000


def check_weights(folder: Path) -> str:
    """Look at a submission's weights; return what there is.

    Raises:
        SubmissionError: When there are none, pickles only, or a file is cut short.
    """
    files = [path for _, path in iterate_files(folder)]
    tensors = [path for path in files if path.suffix == ".safetensors"]
    pickles = [path for path in files if path.suffix in PICKLES or path.name == "pytorch_model.bin"]
    if not tensors:
        names = ", ".join(f"`{path.name}`" for path in pickles)
        what = f"only {names}, which may run code when it is loaded" if pickles else "none"
        raise SubmissionError(
            f"weights: {what}",
            hint="save them again: `model.save_pretrained(folder)` of today writes "
            "`model.safetensors`",
        )
    count = sum(check_tensors(path) for path in tensors)
    _check_shards(folder)
    size = sum(path.stat().st_size for path in tensors)
    beside = f"; pickles beside, which are not needed: {len(pickles)}" if pickles else ""
    return f"{count:,} tensors, {size / 1e6:,.1f} MB in safetensors{beside}"


def check_tensors(path: Path) -> int:
    """Check that a safetensors file is as long as its header says; return how many tensors.

    The header is a length of 8 bytes, little-endian, and as much JSON (safetensors format 0.4).

    Raises:
        SubmissionError: When it is not.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            if (start + stream.read(16)).startswith(_POINTER):
                raise ValueError("a pointer of Git LFS, not the weights")
            stream.seek(8)
            (length,) = struct.unpack("<Q", start)
            if length > min(size, _LONGEST_HEADER):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
            header = json.loads(stream.read(length))
        ends = [int(e["data_offsets"][1]) for name, e in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise SubmissionError(
            f"`{path.name}` is no safetensors file ({error})", hint="upload it again, whole"
        ) from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise SubmissionError(
            f"`{path.name}` has {size:,} bytes, its header promises {expected:,}",
            hint="upload it again, whole",
        )
    return len(ends)


def _check_shards(folder: Path) -> None:
    """Check that all parts are there that an index names."""
    path = folder / "model.safetensors.index.json"
    if not path.is_file():
        return
    try:
        names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SubmissionError(
            f"`{path.name}` cannot be read ({error})", hint="upload it again"
        ) from error
    missing = sorted(str(name) for name in names if not (folder / str(name)).is_file())
    if missing:
        raise SubmissionError(
            f"{len(missing)} of {len(names)} parts of the weights are missing, e.g. `{missing[0]}`",
            hint="upload all of them",
        )
