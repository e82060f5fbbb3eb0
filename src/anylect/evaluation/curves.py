"""Small line charts: where lines, ticks and labels go in a picture of a fixed size.

Pictures are drawn as SVG inside the page, so that they follow its colours, light and dark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, WIDTH - 12, 12, HEIGHT - 28
_MOST_POINTS = 600

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Tick:
    """A label on an axis, at so many units of the picture."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """One line, as SVG writes points."""

    name: str
    points: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart ready to be drawn."""

    title: str
    label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT


def chart(
    title: str, series: Mapping[str, Points], *, x_name: str = "update", unit: str = ""
) -> Chart | None:
    """Lay out lines over one axis that starts at zero.

    Args:
        title: What is shown.
        series: Name and points (x, y) of each line; values that are no numbers are left out.
        x_name: Of the horizontal axis.
        unit: Behind vertical labels, such as ` %`.

    Returns:
        None where no line has two points.
    """
    lines = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    lines = {name: thin(points) for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    every = [point for points in lines.values() for point in points]
    low_x, high_x = min(x for x, _ in every), max(x for x, _ in every)
    steps = nice_steps(max(0.0, *(y for _, y in every)))
    across = (high_x - low_x) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (x - low_x) / across * (_RIGHT - _LEFT),
            _BOTTOM - min(1.0, max(0.0, y / steps[-1])) * (_BOTTOM - _TOP),
        )

    ends = ", ".join(f"{name} ends at {points[-1][1]:.3g}{unit}" for name, points in lines.items())
    return Chart(
        title=title,
        label=f"{title} over {high_x:,.0f} {x_name}s: {ends}",
        lines=tuple(
            Line(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*each) for each in points)))
            for name, points in lines.items()
        ),
        x_ticks=(
            Tick(_LEFT, f"{low_x:,.0f}", "start"),
            Tick(_RIGHT, f"{x_name} {high_x:,.0f}", "end"),
        ),
        y_ticks=tuple(Tick(round(place(low_x, step)[1], 1), f"{step:g}{unit}") for step in steps),
    )


def nice_steps(highest: float) -> list[float]:
    """Find three to six round numbers from zero to the highest value or beyond.

    Example:
        >>> nice_steps(37.2)
        [0.0, 10.0, 20.0, 30.0, 40.0]
        >>> nice_steps(0.0)
        [0.0, 1.0]
    """
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(each * power for each in (1, 2, 5, 10) if each * power * 5 >= highest)
    count = math.ceil(round(highest / step, 9))
    return [round(step * number, 10) for number in range(count + 1)]


def thin(points: Points) -> list[tuple[float, float]]:
    """Average neighbours where there are more points than a picture can show."""
    size = math.ceil(len(points) / _MOST_POINTS)
    lots = [points[at : at + size] for at in range(0, len(points), size)]
    return [(lot[-1][0], sum(y for _, y in lot) / len(lot)) for lot in lots]
