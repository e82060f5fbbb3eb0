"""What is wrong with a card: units, splits, languages, licences.

For our own cards and for other people's. A finding says where, what, and what to do; an `error`
makes the card claim something else than is meant, a `warning` leaves something unsaid.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anylect.errors import BundleError, ConfigError
from anylect.hub.card_claims import (
    Claim,
    as_table,
    iterate_results,
    kind_of,
    metrics_of,
    read_claims,
)
from anylect.hub.card_metadata import EVENT, TASK
from anylect.hub.card_yaml import part_card, read_as_python_does, read_yaml
from anylect.text.recipes import canonical_tag

_TWO_LETTERS = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de
dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id
ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu
lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu
rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr
ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
TWO_LETTERS = frozenset(_TWO_LETTERS.split())
"""ISO 639-1."""
COUNTRIES = {
    **{"cz": "cs", "jp": "ja", "gr": "el", "ua": "uk", "dk": "da", "cn": "zh", "vn": "vi"},
    **{"sp": "es", "ge": "ka", "al": "sq", "ir": "fa", "gb": "en", "us": "en", "iw": "he"},
    **{"in": "id", "ji": "yi", "tw-hk": "zh", "pk": "ur", "bd": "bn", "kz": "kk", "mm": "my"},
}
"""Codes of countries, and old ones, that are taken for those of languages."""
SPECIAL = frozenset({"multilingual", "code", "und", "mul"})
HIGHEST = 200.0
"""Percent; above, a percentage was multiplied by a hundred once more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a card."""

    level: Literal["error", "warning"]
    place: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.level}: {self.place}: {self.what}\n  hint: {self.remedy}"


def lint_card(text: str, *, place: str = "README.md") -> list[Finding]:
    r"""Look for what is wrong with a card.

    Args:
        text: Of a `README.md`, anyone's.
        place: For messages.

    Example:
        >>> for each in lint_card("---\nlanguage: no\nlicense: mit\n---\n"):
        ...     print(each.place, "-", each.what)
        language - `no` without quotation marks is False to most readers
        tags - `automatic-speech-recognition` is missing
        model-index - no score is claimed
    """
    head, _ = part_card(text)
    if head is None:
        return [Finding("error", place, "no metadata", "begin the file with `---`, YAML and `---`")]
    try:
        metadata = read_yaml(head, place=place)
    except BundleError as error:
        return [Finding("error", place, error.message, error.hint or "")]
    if not isinstance(metadata, Mapping):
        return [Finding("error", place, "the metadata is no table", "write `language: sv` …")]
    return [
        *_language(metadata, as_table(read_as_python_does(head))),
        *_head(metadata),
        *_index(metadata),
        *_units(read_claims(text, place=place)),
    ]


def lint_results(text: str, *, place: str) -> list[Finding]:
    r"""Look at an `…_eval_results.txt`, which must hold fractions.

    Example:
        >>> [each.what for each in lint_results("WER: 24.31\nCER: 0.07", place="x.txt")]
        ['WER is 24.31, expected a fraction']
    """
    found = dict(re.findall(r"^(WER|CER):\s*([0-9.eE+-]+|nan)\s*$", text, re.MULTILINE))
    findings = [
        Finding("error", place, f"no line `{name}: …`", "write it with `eval.py`")
        for name in ("WER", "CER")
        if name not in found
    ]
    for name, written in found.items():
        if float(written) > 2:
            what = f"{name} is {written}, expected a fraction"
            findings.append(Finding("error", place, what, f"{float(written) / 100:g} is meant"))
    return findings


def _language(metadata: Mapping[str, Any], naive: Mapping[str, Any]) -> Iterator[Finding]:
    written = metadata.get("language")
    codes = written if isinstance(written, list) else [written]
    understood = naive.get("language")
    naive_codes = understood if isinstance(understood, list) else [understood]
    if written is None or written == []:
        yield Finding("error", "language", "is missing", "give an ISO 639 code: `language: sv`")
        return
    for code, seen in zip(codes, naive_codes, strict=False):
        if isinstance(seen, bool):
            what = f"`{code}` without quotation marks is {seen} to most readers"
            yield Finding("error", "language", what, f'write `language: "{str(code).lower()}"`')
        elif flaw := _code_flaw(code):
            yield flaw
    primary = {_primary(code) for code in codes}
    for result in iterate_results(metadata):
        dataset = as_table(result.get("dataset"))
        config = dataset.get("config") or dataset.get("args")
        other = _primary(config)
        if other in TWO_LETTERS and primary <= TWO_LETTERS and other not in primary:
            what = f"`{', '.join(sorted(primary))}`, but scored on `{config}`"
            yield Finding("error", "language", what, f"is `language: {other}` meant?")
            return


def _primary(code: Any) -> str:  # noqa: ANN401  foreign
    try:
        return canonical_tag(code).partition("-")[0] if isinstance(code, str) else ""
    except ConfigError:
        return ""


def _code_flaw(code: Any) -> Finding | None:  # noqa: ANN401  foreign
    text = str(code)
    primary = re.split("[-_]", text)[0].lower()
    if text in SPECIAL:
        return None
    if primary in COUNTRIES and primary not in TWO_LETTERS:
        hint = f"is `{COUNTRIES[primary]}` meant?"
        return Finding("error", "language", f"`{text}` is no language but a country", hint)
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", text):
        return Finding("error", "language", f"`{text}` is no language code", "e.g. `sv`, `sr-Latn`")
    if len(primary) == 2 and primary not in TWO_LETTERS:
        return Finding("error", "language", f"`{text}` is not in ISO 639-1", "look the code up")
    if "-" in text:
        what = f"`{text}`: the Hub sorts by plain codes"
        return Finding(
            "warning", "language", what, f"write `{primary}`; regions go into the config"
        )
    return None


def _head(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    if not metadata.get("license"):
        yield Finding("error", "license", "is missing", "without one nobody may use the model")
    tags = metadata.get("tags")
    if TASK not in (tags if isinstance(tags, list) else []) and (
        metadata.get("pipeline_tag") != TASK or not tags
    ):
        yield Finding("error", "tags", f"`{TASK}` is missing", "the Hub finds models by it")
    if isinstance(tags, list) and EVENT not in tags:
        yield Finding("warning", "tags", f"`{EVENT}` is missing", "the challenge asks for it")
    if not metadata.get("datasets") and "model-index" in metadata:
        yield Finding("warning", "datasets", "is missing", "say what it was trained on")


def _index(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    results = list(iterate_results(metadata))
    if not results:
        yield Finding("error", "model-index", "no score is claimed", "`anylect card` writes it")
        return
    for number, result in enumerate(results):
        place = f"model-index[{number}]"
        if as_table(result.get("task")).get("type") != TASK:
            yield Finding("warning", place, f"the task's type is not `{TASK}`", "set `task.type`")
        dataset = as_table(result.get("dataset"))
        if not dataset.get("split"):
            yield Finding("error", place, "no split", "say `split: test`: of what is this a score?")
        if not dataset.get("type"):
            yield Finding("error", place, "no data set", "give its id on the Hub as `type`")
        elif not (dataset.get("config") or dataset.get("args")):
            yield Finding("warning", place, "no config", "e.g. the locale for Common Voice")
        kinds = [kind for metric in metrics_of(result) if (kind := kind_of(metric))]
        for kind in ("wer", "cer"):
            if kind not in kinds:
                level: Literal["error", "warning"] = "error" if kind == "wer" else "warning"
                yield Finding(level, place, f"no {kind.upper()}", "measure it: `anylect eval`")


def _units(claims: list[Claim]) -> Iterator[Finding]:
    for claim in claims:
        place = f"{claim.metric.upper()} on {claim.dataset or 'an unnamed set'}"
        if claim.value is None:
            yield Finding("error", place, f"{claim.written!r} is no number", "write it as 12.3")
        elif claim.unit == "fraction":
            what = f"{claim.written} is a fraction, expected percent"
            yield Finding("error", place, what, f"{100 * claim.value:.2f} is meant")
        elif claim.unit == "unclear" and claim.value:
            what = f"{claim.written}: a fraction, or really below {claim.value:.2g} %?"
            yield Finding("warning", place, what, "say the same in the text, with a percent sign")
        elif claim.value > HIGHEST:
            what = f"{claim.written} is more than {HIGHEST:g} percent"
            yield Finding("error", place, what, f"is {claim.value / 100:g} meant?")
    yield from _swapped(claims)


def _swapped(claims: list[Claim]) -> Iterator[Finding]:
    rates: dict[tuple[Any, ...], dict[str, float]] = {}
    for claim in claims:
        if claim.value is not None:
            key = (claim.dataset, claim.config, claim.split, claim.has_lm)
            rates.setdefault(key, {})[claim.metric] = claim.value
    for (dataset, *_), found in rates.items():
        if "wer" in found and found.get("cer", 0.0) > found["wer"]:
            what = f"the CER ({found['cer']:g}) is above the WER ({found['wer']:g})"
            yield Finding("warning", dataset, what, "are they swapped, or in two units?")
