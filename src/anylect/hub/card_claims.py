"""What other people's cards claim, with the unit found out rather than assumed.

`model-index` wants percent, `eval.py` writes fractions, and cards mix them up: 0.24 may be an
excellent system or a hundred times a fair one. Here every value gets a unit, from the value
itself, from its companions and from the text of the card. Where nothing decides, the worse reading
counts, so that no mistake wins a comparison.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anylect.hub.card_yaml import part_card, read_yaml

Unit = Literal["percent", "fraction", "unclear"]

LARGEST_FRACTION = 2.0
"""A WER above 200 % is nobody's claim, so a larger number is percent."""
_SAID = re.compile(
    r"\b(?:eval_|test_|dev_)?(wer|cer)\b[^\n0-9]{0,24}([0-9]+(?:[.,][0-9]+)?)\s*(%?)", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One rate on a card."""

    metric: str
    """`wer` or `cer`."""
    value: float | None
    """As written; None where it is no number."""
    written: str
    """As it stands on the card."""
    unit: Unit
    has_lm: bool
    dataset: str
    config: str | None
    split: str | None
    revision: str | None = None

    @property
    def fraction(self) -> float | None:
        """The rate as a fraction; the worse one where the unit is unclear."""
        if self.value is None:
            return None
        return self.value / 100 if self.unit == "percent" else self.value


def read_claims(text: str, *, place: str = "README.md") -> list[Claim]:
    """Read every WER and CER of a card's `model-index`.

    Raises:
        BundleError: When the card's head is not YAML.
    """
    head, body = part_card(text)
    metadata = read_yaml(head, place=place) if head is not None else None
    results = list(iterate_results(metadata))
    said = _said(body)
    claims = []
    for result in results:
        dataset = as_table(result.get("dataset"))
        found = [(kind, metric) for metric in metrics_of(result) if (kind := kind_of(metric))]
        values = [(kind, parse_value(metric.get("value"))) for kind, metric in found]
        for kind, metric in found:
            unit = _stated_unit(metric) or _find_unit(kind, metric.get("value"), values, said)
            name = " ".join(str(metric.get(key, "")) for key in ("name", "type"))
            claims.append(
                Claim(
                    metric=kind,
                    value=parse_value(metric.get("value")),
                    written=str(metric.get("value")),
                    unit=unit,
                    has_lm=bool(re.search(r"\+\s*LM|with LM|language model", name, re.IGNORECASE)),
                    dataset=str(dataset.get("type") or dataset.get("name") or ""),
                    config=_text(dataset.get("config") or dataset.get("args")),
                    split=_text(dataset.get("split")),
                    revision=_text(dataset.get("revision")),
                )
            )
    return claims


def iterate_results(metadata: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  foreign
    """Yield the results of a `model-index`, whatever else it holds."""
    index = as_table(metadata).get("model-index")
    for model in index if isinstance(index, list) else []:
        results = as_table(model).get("results")
        found = results if isinstance(results, list) else []
        yield from (each for each in found if isinstance(each, Mapping))


def metrics_of(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the metrics of a result that are tables."""
    metrics = result.get("metrics")
    found = metrics if isinstance(metrics, list) else []
    return [each for each in found if isinstance(each, Mapping)]


def as_table(value: Any) -> Mapping[str, Any]:  # noqa: ANN401  foreign
    """Return a table, empty where there is something else."""
    return value if isinstance(value, Mapping) else {}


def kind_of(metric: Mapping[str, Any]) -> str | None:
    """Say whether a metric is a WER or a CER, by type, else by name."""
    for key in ("type", "name"):
        match = re.search(r"\b(wer|cer)\b", str(metric.get(key, "")).lower().replace("_", " "))
        if match:
            return match[1]
    return None


def parse_value(value: Any) -> float | None:  # noqa: ANN401  foreign
    """Read a number, also one written as text with a comma or a percent sign.

    Example:
        >>> parse_value("12,5 %"), parse_value(0.2), parse_value("good")
        (12.5, 0.2, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        match = re.search(r"[0-9]+(?:[.,][0-9]+)?", value)
        value = match[0].replace(",", ".") if match else "nan"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _stated_unit(metric: Mapping[str, Any]) -> Unit | None:
    """Return the unit that a metric names itself, as ours do: good rates are below 1 %."""
    return "percent" if as_table(metric.get("args")).get("unit") == "percent" else None


def _find_unit(
    kind: str,
    written: Any,  # noqa: ANN401  foreign
    values: list[tuple[str, float | None]],
    said: dict[str, list[tuple[float, bool]]],
) -> Unit:
    value = parse_value(written)
    if value is None:
        return "unclear"
    if (isinstance(written, str) and "%" in written) or value > LARGEST_FRACTION:
        return "percent"
    for other, is_percent in said.get(kind, []):
        if math.isclose(other, value, rel_tol=0.01) and is_percent:
            return "percent"
        if not is_percent and math.isclose(other, value / 100, rel_tol=0.01):
            return "percent"
        if math.isclose(other, 100 * value, rel_tol=0.01):
            return "fraction"
    # A WER of 14.1 beside a CER of 1.9: both are percent.
    if any(other is not None and other > LARGEST_FRACTION for _, other in values):
        return "percent"
    wer = [other for name, other in values if name == "wer" and other]
    if kind == "cer" and not wer:
        return "unclear"
    return "fraction" if 0 < value <= 1 else "unclear"


def _said(body: str) -> dict[str, list[tuple[float, bool]]]:
    """Find the rates a card's text mentions, and whether with a percent sign."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for kind, number, percent in _SAID.findall(body):
        value = parse_value(number)
        if value is not None:
            found.setdefault(kind.lower(), []).append((value, bool(percent)))
    return found


def _text(value: Any) -> str | None:  # noqa: ANN401  foreign
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
