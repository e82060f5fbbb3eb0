"""The body of a card, section by section, from facts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anylect.evaluation.evidence_files import read_evaluation
from anylect.hub.card_facts import Facts, Scored

CURVES = "evidence/curves.svg"
FEW_HOURS = 5.0
FEW_SPEAKERS = 20
_SETTINGS = ("model", "data", "batches", "joining", "optimizer", "schedule", "augmentation")
_PLAIN = (str, int, float, bool)


def write_body(facts: Facts, *, has_curves: bool) -> str:
    """Write all sections that there are facts for."""
    sections = [
        _title(facts),
        _use(facts),
        _results(facts),
        _data(facts),
        _training(facts, has_curves=has_curves),
        _limits(facts),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lay out a table in Markdown."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    cells = ([str(cell).replace("|", "\\|") for cell in row] for row in rows)
    return [*lines, *(f"| {' | '.join(row)} |" for row in cells)]


def _title(facts: Facts) -> list[str]:
    base = f", fine-tuned from [{facts.checkpoint}](https://huggingface.co/{facts.checkpoint})"
    return [
        f"# {facts.name}",
        "",
        f"A speech recogniser for `{facts.language}`{base if facts.checkpoint else ''}, made with "
        "[anylect](https://pypi.org/project/anylect/). This page was written from the evidence of "
        "its training and evaluations, in `evidence/`.",
    ]


def _use(facts: Facts) -> list[str]:
    lm = " A language model is in `language_model/`; it is used by itself."
    has_lm = (facts.folder / "language_model").is_dir()
    return [
        "## Use",
        "",
        "```python",
        "from anylect import Recognizer",
        "",
        'print(Recognizer.load("this folder").transcribe("recording.wav").text)',
        "```",
        "",
        "It is a CTC model that `transformers` loads as well. It writes what the normalizer "
        f"`{facts.normalizer}` leaves of a text (`normalizer.json`).{lm if has_lm else ''}",
    ]


def _results(facts: Facts) -> list[str]:
    rows = []
    for each in sorted(facts.scored, key=lambda found: (found.name, found.has_lm)):
        dataset = each.dataset
        place = [dataset.get("id"), dataset.get("config"), dataset.get("split")]
        rows.append(
            (
                " / ".join(str(part) for part in place if part),
                "with" if each.has_lm else "without",
                _rate(each, "wer"),
                _rate(each, "cer"),
                f"{(each.facts.get('wer') or {}).get('length', 0):,}",
                each.facts.get("speakers") or "unknown",
            )
        )
    if not rows:
        return ["## Results", "", "It has not been evaluated yet (`anylect eval`)."]
    header = ("set", "language model", "WER [95 %]", "CER [95 %]", "words", "speakers")
    return [
        "## Results",
        "",
        *table(header, rows),
        "",
        "Percent, pooled over the set; intervals are resampled by speaker where speakers are "
        "known. `anylect verify` measures them again; `eval.py` measures others.",
    ]


def _rate(scored: Scored, rate: str) -> str:
    measured, value = scored.facts.get(rate) or {}, scored.percent(rate)
    if value is None:
        return "undefined"
    low, high = measured.get("low"), measured.get("high")
    if low is None or high is None:
        return f"{value:.2f}"
    return f"{value:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def _data(facts: Facts) -> list[str]:
    if not facts.splits:
        return []
    rows = [
        (name, f"{each['utterances']:,}", each["hours"], each["speakers"] or "unknown")
        for name, each in facts.splits.items()
    ]
    lines = ["## Data", "", *table(("split", "utterances", "hours", "speakers"), rows), ""]
    for name in ("corpus", "license", "language", "gender", "age", "accent", "dialect"):
        found = {split: each[name] for split, each in facts.splits.items() if name in each}
        lines += [f"- {name}, {split}: {_shares(counts)}" for split, counts in found.items()]
    leaks = facts.leaks
    lines += ["", "Leak audit: "]
    if leaks is None:
        lines[-1] += "nobody looked whether speakers or sentences stand on two sides."
    elif not leaks:
        known = all(each["speakers"] for each in facts.splits.values())
        speakers = "no speaker and " if known else ""
        lines[-1] += f"{speakers}no sentence stands on two sides."
        lines[-1] += "" if known else " Speakers are unknown, so they could not be compared."
    else:
        lines += [
            f"- {each['distinct']:,} {each['kind']}s of {each['left']} also in {each['right']}: "
            f"{100 * each['share']:.1f} % of {each['right']}"
            for each in leaks
        ]
    return lines


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counts.items())


def _training(facts: Facts, *, has_curves: bool) -> list[str]:
    training = facts.training
    lines = ["## Training", ""]
    known = (
        ("utterances learnt from", training.get("train_utterances")),
        ("hours", training.get("train_hours")),
        ("updates to the best weights", training.get("updates")),
        ("seconds", training.get("seconds")),
        ("anylect", training.get("anylect")),
    )
    lines += [f"- {name}: {value}" for name, value in known if value is not None]
    settings = [(name, value) for table in _SETTINGS for name, value in _flat(facts, table)]
    if settings:
        rows = [(f"`{name}`", f"`{value}`") for name, value in settings]
        lines += ["", "### Hyper-parameters", "", *table(("setting", "value"), rows)]
    validations = (training.get("history") or {}).get("validations") or []
    if validations:
        shown = validations[:: max(1, -(-len(validations) // 25))]
        shown = shown if shown[-1] is validations[-1] else [*shown, validations[-1]]
        rows = [
            (each["update"], each.get("train_loss", ""), *map(_figure, _rates(each)))
            for each in shown
        ]
        header = ("update", "training loss", "dev WER", "dev CER")
        lines += ["", "### Training results", "", *table(header, rows)]
    if has_curves:
        lines += ["", f"![Loss and validation curves]({CURVES})"]
    return lines


def _rates(validation: Mapping[str, Any]) -> tuple[Any, Any]:
    return validation.get("wer"), validation.get("cer")


def _figure(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f} %"


def _flat(facts: Facts, table_name: str) -> Iterator[tuple[str, Any]]:
    """Yield a table's settings with dotted names; folders of somebody's machine are left out."""

    def walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  JSON
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from walk(item, f"{name}.{key}")
        elif isinstance(value, list):
            if value and all(isinstance(item, _PLAIN) for item in value):
                yield name, ", ".join(map(str, value))
        elif not (isinstance(value, str) and value.startswith(("/", "~", "\\"))):
            yield name, value

    found = facts.config.get(table_name)
    yield from walk(found, table_name) if found else ()


def _limits(facts: Facts) -> list[str]:
    lines = ["## Limits and biases", ""]
    lines += [f"- {doubt}" for doubt in _doubts(facts)]
    for each in facts.scored:
        path = facts.folder / "evidence" / f"{each.name}.utterances.jsonl"
        if path.is_file():
            lines += list(_groups(each, read_evaluation(path).breakdown()))
    return lines if len(lines) > 2 else []


def _doubts(facts: Facts) -> Iterator[str]:
    hours = facts.training.get("train_hours")
    if isinstance(hours, (int, float)) and hours < FEW_HOURS:
        yield f"It learnt from {hours:g} hours: other voices, topics and microphones will be hard."
    learnt = (facts.config.get("data") or {}).get("train") or ["train"]
    speakers = sum(facts.splits.get(name, {}).get("speakers", 0) for name in learnt)
    if facts.splits and speakers == 0:
        yield "Nobody knows how many people it learnt from."
    elif 0 < speakers < FEW_SPEAKERS:
        yield f"It learnt from {speakers} people."
    for name in learnt:
        for trait in ("gender", "accent"):
            counts = facts.splits.get(name, {}).get(trait)
            if counts and max(counts.values()) > 0.7 * sum(counts.values()):
                yield f"The {trait} of those it learnt from is mostly one: {_shares(counts)}."
    for leak in facts.leaks or []:
        if leak["share"] > 0.01 and leak["right"] != "dev":
            yield (
                f"{100 * leak['share']:.0f} % of {leak['right']} has a {leak['kind']} it learnt "
                "from: scores there flatter."
            )
    if all(not each.has_lm for each in facts.scored) and facts.scored:
        yield "It was scored without a language model."
    yield "It writes no punctuation and no capitals unless its normalizer keeps them."


def _groups(scored: Scored, breakdown: Any) -> Iterator[str]:  # noqa: ANN401  evaluation's own
    """Say where most errors are, group by group."""
    for trait, groups in breakdown.traits().items():
        counts = [(group.name, breakdown.rate(group)) for group in groups[:5]]
        rates = [f"{name} {100 * each.rate:.1f} % of {each.length:,}" for name, each in counts]
        yield f"- errors by {trait} on {scored.name}: {'; '.join(rates)}"
