"""What `anylect benchmark` prepares and checks, beside the settings of the training itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from anylect.config import refuse_below
from anylect.data.published import LIBRISPEECH, OPENSLR_12
from anylect.data.splits import SplitOptions


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Of a recipe that is run to a target and timed; `anylect train` takes no notice of them."""

    corpus: Literal["manifest", "folder", "librispeech", "spoken"] = "manifest"
    """What the manifest is made from where it is missing: nothing; a corpus that `anylect prepare`
    reads; LibriSpeech, fetched where it is not there; text that the built-in voice speaks."""
    source: Path | None = None
    """The folder of the corpus. LibriSpeech gets its archives and its own folder in it."""
    parts: tuple[str, ...] = tuple(name for name in LIBRISPEECH if not name.startswith("test"))
    """Of LibriSpeech."""
    mirror: str = OPENSLR_12
    """From where LibriSpeech is fetched."""
    splits: SplitOptions = field(default_factory=SplitOptions)
    """How a corpus without splits of its own is divided."""
    sentences: tuple[int, int] = (720, 120)
    """Spoken ones, to learn from and to validate on."""
    labels: int | None = None
    """How many tokens the model must have; None does not care."""
    weights: int | None = None
    """How many weights it must have; None does not care."""

    def __post_init__(self) -> None:
        refuse_below(self, 1, "labels", "weights")
