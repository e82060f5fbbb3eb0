"""Error counts that add up, and the rates we read off them.

First step of scoring: `align` finds the cheapest edits between two normalised texts,
`count_errors` counts them, `bootstrap` says how sure we are. Counts are kept per utterance and
only divided at the very end, because the mean of utterance WERs is not the WER of the set.

Texts come in normalised: words are separated by single spaces. A character is a code point,
and the spaces between words are characters too, as in jiwer and most published CERs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Kind = Literal["=", "S", "D", "I"]


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edits that turn references into hypotheses, and the reference length.

    `length` is in words for WER and in characters for CER; nothing else differs.

    Example:
        >>> counts = count_errors("a b c".split(), "a x c d".split())
        >>> counts
        ErrorCounts(substitutions=1, deletions=0, insertions=1, length=3)
        >>> round((counts + ErrorCounts(length=1)).rate, 2)
        0.5
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    length: int = 0

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference token; above 1.0 when insertions abound.

        An empty reference has no rate: 0.0 if the hypothesis is empty too, else infinity.
        Pool such utterances with others before dividing.
        """
        if self.length:
            return self.errors / self.length
        return float("inf") if self.errors else 0.0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )


class Edit(NamedTuple):
    """One place of an edit alignment; what is missing on a side is None.

    `kind` is `=` for a match, else `S`, `D` or `I`.
    """

    kind: Kind
    reference: str | None
    hypothesis: str | None


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """Find the cheapest edits that turn the reference into the hypothesis.

    Every edit costs one. Where several alignments are as cheap, the choice is that of rapidfuzz
    (and so of jiwer), always the same: common beginnings and ends are matched first; what is
    left is read from its end, and each time a deletion is taken if it can be part of a cheapest
    alignment, else an insertion if a match or substitution would cost more, else the latter.
    An insertion is also taken before a match that would cost the same.

    Args:
        reference: Words, or a text to align by character.
        hypothesis: Of the same kind.

    Example:
        >>> for edit in align("so it goes".split(), "it goes on".split()):
        ...     print(*edit)
        D so None
        = it it
        = goes goes
        I None on
    """
    edits: list[Edit] = []
    for operation in Levenshtein.opcodes(reference, hypothesis):
        left = reference[operation.src_start : operation.src_end]
        right = hypothesis[operation.dest_start : operation.dest_end]
        if operation.tag == "delete":
            edits += [Edit("D", token, None) for token in left]
        elif operation.tag == "insert":
            edits += [Edit("I", None, token) for token in right]
        else:
            kind: Kind = "=" if operation.tag == "equal" else "S"
            edits += [Edit(kind, *pair) for pair in zip(left, right, strict=True)]
    return edits


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """Count the edits of `align` without building them."""
    if reference == hypothesis:
        return ErrorCounts(length=len(reference))
    substitutions = deletions = 0
    for operation in Levenshtein.opcodes(reference, hypothesis):
        if operation.tag == "replace":
            substitutions += operation.src_end - operation.src_start
        elif operation.tag == "delete":
            deletions += operation.src_end - operation.src_start
    return ErrorCounts(
        substitutions=substitutions,
        deletions=deletions,
        insertions=len(hypothesis) - len(reference) + deletions,
        length=len(reference),
    )
