"""Scoring the dev split while training: the same walk as an evaluation, without its ceremony."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anylect.decoding.greedy import GreedyDecoder
from anylect.errors import AudioError, TrainingError
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.models.checkpoints import CheckpointModel
from anylect.models.listening import emit_each
from anylect.records import Utterance
from anylect.text.normalize import Normalizer

SAMPLES = 3
"""Pairs of reference and hypothesis shown after each validation."""


class Validation:
    """The dev split, ready to be scored again and again."""

    def __init__(
        self, utterances: Sequence[Utterance], normalizer: Normalizer, *, limit: int | None = None
    ) -> None:
        self.normalizer = normalizer
        self.utterances = _thinned(utterances, limit)

    def __call__(self, model: CheckpointModel) -> dict[str, Any]:
        """Score a model greedily: pooled WER and CER as fractions, and a few samples.

        Raises:
            TrainingError: When no recording of the split can be read.
        """
        decoder, board = GreedyDecoder(model.vocabulary), Scoreboard()
        samples: list[tuple[str, str]] = []
        flaw = ""
        for utterance, heard in emit_each(model, self.utterances):
            if isinstance(heard, AudioError):
                board.skip("unreadable")
                flaw = flaw or f" ({heard.message})"
                continue
            reference = self.normalizer(utterance.text)
            hypothesis = self.normalizer(decoder.decode(heard).text)
            board.append(score(reference, hypothesis, utterance=utterance))
            if len(samples) < SAMPLES:
                samples.append((reference, hypothesis))
        if not board.words.length:
            raise TrainingError(
                f"none of the {len(self.utterances)} dev utterances could be scored{flaw}",
                hint="`anylect prepare` lists unreadable recordings and empty transcripts; paths "
                "in a manifest are relative to it",
            )
        return {
            "wer": board.words.rate,
            "cer": board.characters.rate,
            "utterances": board.utterances,
            "unreadable": board.skipped["unreadable"],
            "samples": samples,
        }


def _thinned(utterances: Sequence[Utterance], limit: int | None) -> Sequence[Utterance]:
    """Take `limit` utterances, evenly spread."""
    if limit is None or len(utterances) <= limit:
        return utterances
    positions = np.linspace(0, len(utterances) - 1, limit).round().astype(int)
    return [utterances[position] for position in positions]
