"""Words heard in the silence around a recording, brought back into it.

A model may hear a recording with silence before and behind it; its emissions then begin before
zero (`Emissions.start`), and letters at the edges may fall outside the recording.
"""

from dataclasses import replace

from anylect.records import Word


def move_within(
    words: tuple[Word, ...], *, began: float, ended: float, frame: float
) -> tuple[Word, ...]:
    """Move words that lie outside a recording to its first or last frame.

    Args:
        words: In order.
        began: Where the emissions of the whole recording begin, seconds; below zero there is as
            much silence behind the recording as before it.
        ended: Where they end.
        frame: Seconds from one frame to the next; no word becomes shorter.

    Example:
        >>> early = Word("a", -0.06, -0.02, 1.0)
        >>> move_within((early,), began=-0.1, ended=1.1, frame=0.02)
        (Word(text='a', start=0.0, end=0.02, confidence=1.0),)
    """
    lead = max(0.0, -began)
    if not lead:
        return words
    end = max(ended - lead, frame)
    return tuple(
        replace(
            word,
            start=min(max(word.start, 0.0), end - frame),
            end=max(min(word.end, end), frame),
        )
        for word in words
    )
