"""Does a submission's normalizer keep the words of the test set apart?

Our bundles say what theirs is, so it is applied. Others hide it in the code of `eval.py`, which is
not run for that: their log of references shows what it made of each transcript, line by line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from anylect.challenge.hidden import read_predictions
from anylect.challenge.rules import Ruling, failed, passed, unchecked
from anylect.challenge.submission import TARGETS
from anylect.errors import AnylectError
from anylect.evaluation.error_rate import align
from anylect.text.audit import Audit, audit, audit_pairs
from anylect.text.normalize import default_normalizer, load_normalizer

RULE = "normalizer"


def check_normalizer(folder: Path, texts: Sequence[str], *, language: str | None) -> Ruling:
    """Look for words of the test set that a submission's normalizer merges.

    Args:
        folder: Of the submission.
        texts: Transcripts of the test set, in its order; empty where it is not at hand.
        language: Whose recipe of ours tells words apart.
    """
    if not texts:
        return unchecked(
            RULE, "no test set to check it on", "give the organisers' copy: `--test-set MANIFEST`"
        )
    tell_apart = default_normalizer(language)
    path = folder / "normalizer.json"
    try:
        logs = sorted(folder.glob(TARGETS))
        stated = None
        if path.is_file():
            recipe = load_normalizer(path)
            found = audit(recipe, texts, tell_apart=tell_apart)
            stated = _judge(found, f"recipe `{recipe.name}`")
            # A recipe may be there and not be used: what was logged has to agree.
            if stated.verdict == "failed" or not logs:
                return stated
        if not logs:
            return unchecked(
                RULE,
                "it stands in code, and there is no log of references to see what it does",
                "upload what `eval.py --log_outputs` writes on the test set",
            )
        said = [tell_apart(text) for text in texts]
        for log in logs:
            targets = read_predictions(log, count=len(texts)) if not log.is_symlink() else {}
            if len(targets) == len(texts):
                pairs = list(_words(said, [targets[index] for index in range(len(texts))]))
                return _judge(audit_pairs(pairs, tell_apart=tell_apart), f"seen in `{log.name}`")
    except AnylectError as error:
        return unchecked(RULE, error.message, error.hint or "")
    return stated or unchecked(
        RULE,
        f"`{logs[0].name}` is not of this test set ({len(texts):,} transcripts)",
        "log the whole test split, in its order",
    )


def _judge(found: Audit, where: str) -> Ruling:
    if found.is_harmless:
        return passed(RULE, f"keeps {found.words:,} different words apart ({where})")
    first, *rest = found.lines()
    what = f"{first} ({where})" + "".join(f"\n{'':<13}{line}" for line in rest)
    return failed(RULE, what, "keep letters, accents and marks that tell words apart")


def _words(said: Sequence[str], logged: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pair words of a transcript with what became of them, as far as they stand in order.

    Where the number of words is the same, one by one; else by alignment, in which a word that is
    left out has vanished, and what is not clear is left out.
    """
    for reference, log in zip(said, logged, strict=True):
        left, right = reference.split(), log.split()
        if len(left) == len(right):
            yield from zip(left, right, strict=True)
            continue
        for edit in align(left, right):
            if edit.kind in "=S" and edit.reference and edit.hypothesis:
                yield edit.reference, edit.hypothesis
            elif edit.kind == "D" and edit.reference:
                yield edit.reference, ""
