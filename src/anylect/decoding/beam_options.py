"""How a beam search weighs what it hears against what is likely, and what it gives up."""

import math
from dataclasses import dataclass
from typing import Literal

from anylect.config import refuse_below
from anylect.errors import ConfigError

OPEN_MIN_TOKEN = -5.0


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    """How a beam search weighs and what it gives up; defaults are pyctcdecode's."""

    alpha: float = 0.5
    """Weight of the language model's natural log-probability."""
    beta: float = 1.5
    """Bonus per word, natural log; a language model alone would leave words out."""
    unknown_offset: float = -10.0
    """Of words the model does not know: added to their log10 probability, and, in the open
    search, as it is to the score of a beginning that no known word has."""
    scores_ends: bool = True
    """Whether the model is asked for the beginning and the end of the sentence."""
    width: int = 100
    """Beams kept."""
    prune_log_prob: float = -10.0
    """Beams this far below the best one are dropped, natural log."""
    min_token_log_prob: float | None = None
    """Tokens less likely than this are not looked at, but for a frame's likeliest; by default -5
    in the open search, as pyctcdecode, and no limit in the closed one, where words say enough
    about what is unlikely."""
    max_tokens: int = 32
    """Tokens looked at in a frame; the closed search only."""
    search: Literal["auto", "closed", "open"] = "auto"
    """`closed`: only words of the lexicon, look-ahead, histories merged on the model's state.
    `open`: any word, merging on the last words, as pyctcdecode. `auto`: closed where there are
    words to close it over."""
    counts_empty_end: bool = False
    """Score an utterance that ends in a space as if an unknown word followed it, as pyctcdecode
    does. Costs accuracy; only for equal output."""
    merges_states: bool = True
    """Closed search: whether only the best of the texts stays that the model cannot tell apart
    any more. Without, every text is kept, which is slower and gives a richer n-best list."""

    def __post_init__(self) -> None:
        refuse_below(self, 1, "width", "max_tokens")
        refuse_below(self, 0, "alpha")
        for name in ("alpha", "beta"):
            if not math.isfinite(getattr(self, name)):
                raise ConfigError(
                    f"`{name}` is {getattr(self, name)}", hint="expected a finite number"
                )
        for name in ("prune_log_prob", "min_token_log_prob", "unknown_offset"):
            if getattr(self, name) is not None and not getattr(self, name) <= 0:
                raise ConfigError(
                    f"`{name}` is {getattr(self, name)}",
                    hint="expected a natural logarithm of at most 0",
                )
