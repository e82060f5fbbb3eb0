"""Does a score hold? A claim from the evidence beside what was measured just now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anylect.hub.card_claims import Claim

Verdict = Literal["exactly", "within the interval", "no"]

_COUNTS = ("substitutions", "deletions", "insertions", "length")


@dataclass(frozen=True, kw_only=True)
class Check:
    """What became of one claimed evaluation."""

    name: str
    verdict: Verdict
    claimed: tuple[float | None, float | None]
    """WER and CER, fractions."""
    measured: tuple[float | None, float | None]
    differences: tuple[str, ...]
    """What is not as it was: versions, checksums, hashes, counts."""
    changed: int | None = None
    """Utterances heard otherwise than the evidence says; None where it does not list them."""

    @property
    def holds(self) -> bool:
        """Whether the claim may be believed."""
        return self.verdict != "no"

    def lines(self) -> list[str]:
        """Say it in words."""
        words = {
            "exactly": "holds exactly",
            "within the interval": "holds within its interval",
            "no": "does NOT hold",
        }
        pairs = zip(("WER", "CER"), self.claimed, self.measured, strict=True)
        rates = ", ".join(
            f"{name} {_percent(claimed)} claimed, {_percent(measured)} measured"
            for name, claimed, measured in pairs
        )
        lines = [f"{self.name}: {words[self.verdict]} ({rates})"]
        if self.changed:
            lines.append(
                f"  {self.changed:,} utterances are heard otherwise than the evidence says"
            )
        return [*lines, *(f"  {difference}" for difference in self.differences)]


def check_claim(
    name: str,
    claimed: Mapping[str, Any],
    measured: Mapping[str, Any],
    *,
    changed: int | None = None,
) -> Check:
    """Hold a claimed report against one measured now, both as their JSON.

    On the same machine, with the same versions, bundle and data, counts must be the same.
    Otherwise arithmetic may differ in its last digits and a word with it: then the claim holds
    if the measured rates lie in its intervals, and the claimed ones in theirs. Other data, or
    another normalizer, prove nothing: such a claim does not hold.

    Args:
        name: Of the evaluation.
        claimed: From the evidence.
        measured: From now.
        changed: Utterances heard otherwise.
    """
    differences = list(_differences(claimed, measured))
    spoilt = [each for each in differences if each.startswith(("the data", "the normalizer"))]
    same = all(_counts(claimed, rate) == _counts(measured, rate) for rate in ("wer", "cer"))
    if same and not spoilt:
        verdict: Verdict = "exactly"
    elif spoilt or not differences or not all(_near(claimed, measured, r) for r in ("wer", "cer")):
        verdict = "no"
        if not differences:
            differences.append("nothing else differs, so counts had to be the same")
    else:
        verdict = "within the interval"
    return Check(
        name=name,
        verdict=verdict,
        claimed=(_rate(claimed, "wer"), _rate(claimed, "cer")),
        measured=(_rate(measured, "wer"), _rate(measured, "cer")),
        differences=tuple(differences),
        changed=changed,
    )


def check_card(claims: list[Claim], reports: list[Mapping[str, Any]]) -> list[str]:
    """Return what a card claims that no evaluation of the evidence says, to two decimals."""
    flaws = []
    for claim in claims:
        known = [rate for each in reports if (rate := _rate(each, claim.metric)) is not None]
        found = claim.fraction
        if found is None or not any(abs(100 * found - 100 * rate) < 0.006 for rate in known):
            flaws.append(
                f"README.md claims {claim.metric.upper()} {claim.written} on {claim.dataset}: "
                "no evaluation in `evidence` says so"
            )
    return flaws


def _differences(claimed: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[str]:
    for key, what in (
        ("manifest_sha256", "the data: the manifest has another checksum"),
        ("transcripts_sha256", "the data: the transcripts are not the same"),
    ):
        if key in claimed and key in measured and claimed[key] != measured[key]:
            yield what
    old, new = claimed.get("utterances"), measured.get("utterances")
    if old != new:
        yield f"the data: there were {old} utterances, now {new}"
    before, now = _table(claimed, "normalizer"), _table(measured, "normalizer")
    if before.get("hash") != now.get("hash"):
        yield f"the normalizer was {before}, is {now}"
    if claimed.get("decoding") != measured.get("decoding"):
        yield f"the decoder was `{claimed.get('decoding')}`, is `{measured.get('decoding')}`"
    yield from _changes("version of", _table(claimed, "versions"), _table(measured, "versions"))
    before, now = _table(claimed, "circumstances"), _table(measured, "circumstances")
    yield from _changes("hash of", _table(before, "sha256"), _table(now, "sha256"))
    for key in ("machine", "device"):
        if before.get(key) and before.get(key) != now.get(key):
            yield f"the {key} was {before[key]}, is {now.get(key)}"
    if not before:
        yield "the evidence does not say on what machine and with which files it was made"


def _changes(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()) if before else ():
        if before.get(name) != now.get(name):
            old, new = (str(each.get(name, "nothing"))[:16] for each in (before, now))
            yield f"{what} {name}: was {old}, is {new}"


def _counts(report: Mapping[str, Any], rate: str) -> tuple[Any, ...]:
    return tuple(_table(report, rate).get(name) for name in _COUNTS)


def _near(claimed: Mapping[str, Any], measured: Mapping[str, Any], rate: str) -> bool:
    """Say whether each rate lies in the other's interval."""
    for one, other in ((claimed, measured), (measured, claimed)):
        value, table = _rate(one, rate), _table(other, rate)
        low, high = table.get("low"), table.get("high")
        if value is None or low is None or high is None or not low <= value <= high:
            return False
    return True


def _rate(report: Mapping[str, Any], rate: str) -> float | None:
    """Return a rate from its counts, which a changed `rate` beside them cannot alter."""
    counts = _counts(report, rate)
    if any(not isinstance(count, int) for count in counts) or not counts[3]:
        return None
    return float(sum(counts[:3]) / counts[3])


def _table(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _percent(rate: float | None) -> str:
    return "undefined" if rate is None else f"{100 * rate:.2f} %"
