"""Scoring the dev split while training: the same walk as an evaluation, without its ceremony."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anylect.decoding.greedy import GreedyDecoder
from anylect.errors import AudioError, TrainingError
from anylect.evaluation.error_rate import ErrorCounts
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.models.checkpoints import CheckpointModel
from anylect.models.listening import emit_each
from anylect.records import Utterance
from anylect.text.normalize import Normalizer
from anylect.training.team import Team

SAMPLES = 3
"""Pairs of reference and hypothesis shown after each validation."""


class Validation:
    """The dev split, ready to be scored again and again."""

    def __init__(
        self, utterances: Sequence[Utterance], normalizer: Normalizer, *, limit: int | None = None
    ) -> None:
        self.normalizer = normalizer
        self.utterances = _thinned(utterances, limit)

    def __call__(self, model: CheckpointModel, team: Team | None = None) -> dict[str, Any]:
        """Score a model greedily: pooled WER and CER as fractions, and a few samples.

        Args:
            model: What hears.
            team: Processes that share the work; each must call, and each gets the figures of all.

        Raises:
            TrainingError: When no recording of the split can be read.
        """
        if team is None or team.size == 1 or team.shards:
            # Whoever holds a part of the weights must run as often as the others do.
            parts = [self._score(model, self.utterances)]
        else:
            parts = team.gather(self._score(model, self.utterances[team.rank :: team.size]))
        words = sum((part.words for part in parts), ErrorCounts())
        if not words.length:
            flaw = next((part.flaw for part in parts if part.flaw), "")
            raise TrainingError(
                f"none of the {len(self.utterances)} dev utterances could be scored{flaw}",
                hint="`anylect prepare` lists unreadable recordings and empty transcripts; paths "
                "in a manifest are relative to it",
            )
        return {
            "wer": words.rate,
            "cer": sum((part.characters for part in parts), ErrorCounts()).rate,
            "utterances": sum(part.utterances for part in parts),
            "unreadable": sum(part.unreadable for part in parts),
            "samples": [pair for part in parts for pair in part.samples][:SAMPLES],
        }

    def _score(self, model: CheckpointModel, utterances: Sequence[Utterance]) -> "_Scores":
        decoder, board = GreedyDecoder(model.vocabulary), Scoreboard()
        samples: list[tuple[str, str]] = []
        flaw = ""
        for utterance, heard in emit_each(model, utterances):
            if isinstance(heard, AudioError):
                board.skip("unreadable")
                flaw = flaw or f" ({heard.message})"
                continue
            reference = self.normalizer(utterance.text)
            hypothesis = self.normalizer(decoder.decode(heard).text)
            board.append(score(reference, hypothesis, utterance=utterance))
            if len(samples) < SAMPLES:
                samples.append((reference, hypothesis))
        return _Scores(
            words=board.words,
            characters=board.characters,
            utterances=board.utterances,
            unreadable=board.skipped["unreadable"],
            samples=samples,
            flaw=flaw,
        )


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What one process found in its share."""

    words: ErrorCounts
    characters: ErrorCounts
    utterances: int
    unreadable: int
    samples: list[tuple[str, str]]
    flaw: str


def _thinned(utterances: Sequence[Utterance], limit: int | None) -> Sequence[Utterance]:
    """Take `limit` utterances, evenly spread."""
    if limit is None or len(utterances) <= limit:
        return utterances
    positions = np.linspace(0, len(utterances) - 1, limit).round().astype(int)
    return [utterances[position] for position in positions]
