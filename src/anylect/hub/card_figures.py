"""The training's curves as an SVG file, for model hubs leave drawings out of pages themselves."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from anylect.evaluation.curves import Chart, chart

COLOURS = ("#4269d0", "#e8743b", "#3ca951")


def draw_curves(history: Mapping[str, Any]) -> str | None:
    """Draw loss and validation rates, one below the other; None where there are too few points.

    Args:
        history: What `training.history.summarize` kept.
    """
    losses = [(float(update), float(loss)) for update, loss in history.get("losses") or []]
    validations = history.get("validations") or []
    rates = {
        f"dev {name.upper()}": [
            (float(each["update"]), 100 * float(each[name])) for each in validations if name in each
        ]
        for name in ("wer", "cer")
    }
    charts = [chart("Loss", {"loss": losses}), chart("Validation", rates, unit=" %")]
    drawn = [each for each in charts if each is not None]
    if not drawn:
        return None
    height = sum(each.height + 30 for each in drawn)
    width = max(each.width for each in drawn)
    top, parts = 0, []
    for each in drawn:
        parts.append(f'<g transform="translate(0 {top + 24})">{_draw(each)}</g>')
        top += each.height + 30
    label = escape("; ".join(each.label for each in drawn), {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{label}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _draw(drawn: Chart) -> str:
    parts = [f'<text x="{drawn.left}" y="-6" font-weight="bold">{escape(drawn.title)}</text>']
    for tick in drawn.y_ticks:
        parts.append(
            f'<line x1="{drawn.left}" x2="{drawn.right}" y1="{tick.at}" y2="{tick.at}" '
            f'stroke="#dddddd"/><text x="{drawn.left - 6}" y="{tick.at + 4}" '
            f'text-anchor="end">{escape(tick.text)}</text>'
        )
    for tick in drawn.x_ticks:
        parts.append(
            f'<text x="{tick.at}" y="{drawn.height - 8}" text-anchor="{tick.anchor}">'
            f"{escape(tick.text)}</text>"
        )
    for number, line in enumerate(drawn.lines):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{line.points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{drawn.right}" y="{14 * number - 6}" text-anchor="end" fill="{colour}">'
            f"{escape(line.name)}</text>"
        )
    return "".join(parts)
