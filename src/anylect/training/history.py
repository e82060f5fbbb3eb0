"""A journal in short, for the model card: every validation, and the loss as a curve."""

from collections.abc import Sequence
from typing import Any

MOST_POINTS = 200


def summarize(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Keep what a card shows of a journal.

    A run that was resumed says some updates twice: the last time counts.

    Returns:
        `validations` with update, WER, CER (fractions) and the training loss since the one
        before; `losses` as pairs of update and loss, thinned.
    """
    validations: dict[int, dict[str, Any]] = {}
    losses: dict[int, float] = {}
    since: list[float] = []
    for event in events:
        update = event.get("update")
        if event.get("event") == "update" and isinstance(update, int):
            losses[update] = float(event["loss"])
            since.append(losses[update])
        elif event.get("event") == "validation" and isinstance(update, int):
            figures = {
                name: round(float(event[name]), 6)
                for name in ("wer", "cer", "loss")
                if isinstance(event.get(name), (int, float))
            }
            mean = {"train_loss": round(sum(since) / len(since), 6)} if since else {}
            validations[update] = {"update": update, **mean, **figures}
            since = []
    step = -(-len(losses) // MOST_POINTS) or 1
    points = sorted(losses.items())
    return {
        "validations": [validations[update] for update in sorted(validations)],
        "losses": [[update, round(loss, 5)] for update, loss in points[step - 1 :: step]],
    }
