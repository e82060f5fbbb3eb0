"""Claims beside what was measured: a table of what holds."""

from typing import Any

import pytest

from anylect.hub.card_claims import Claim
from anylect.hub.evidence_check import check_card, check_claim


def report(errors: int = 100, **changes: Any) -> dict[str, Any]:
    rate = errors / 1000
    counts = {"substitutions": errors, "deletions": 0, "insertions": 0, "length": 1000}
    measured = {"rate": rate, "low": rate - 0.02, "high": rate + 0.02, **counts}
    return {
        "wer": measured,
        "cer": measured,
        "utterances": 90,
        "decoding": "greedy",
        "normalizer": {"name": "sv-1", "hash": "a"},
        "versions": {"torch": "2.13.0"},
        "manifest_sha256": "f00",
        "circumstances": {"machine": "Linux x86_64", "sha256": {"model.safetensors": "abc"}},
        **changes,
    }


@pytest.mark.parametrize(
    ("measured", "verdict", "difference"),
    [
        (report(), "exactly", None),
        (report(versions={"torch": "3.0.0"}), "exactly", "version of torch: was 2.13.0, is 3.0.0"),
        (report(101, versions={"torch": "3.0.0"}), "within the interval", "version of torch"),
        (report(101), "no", "nothing else differs, so counts had to be the same"),
        (report(150, versions={"torch": "3.0.0"}), "no", "version of torch"),
        (report(manifest_sha256="bad"), "no", "the manifest has another checksum"),
        (report(utterances=80), "no", "there were 90 utterances, now 80"),
        (report(normalizer={"name": "sv-2", "hash": "b"}), "no", "the normalizer was"),
        (report(101, decoding="beam 100"), "within the interval", "the decoder was `greedy`"),
        (
            report(101, circumstances={"sha256": {"model.safetensors": "abd"}}),
            "within the interval",
            "hash of model.safetensors: was abc, is abd",
        ),
    ],
)
def test_a_claim_holds_or_not(
    measured: dict[str, Any], verdict: str, difference: str | None
) -> None:
    check = check_claim("set.test", report(), measured, changed=2)
    assert check.verdict == verdict
    assert check.holds == (verdict != "no")
    text = "\n".join(check.lines())
    assert difference is None or difference in text
    assert "2 utterances are heard otherwise" in text


def test_a_rate_is_taken_from_its_counts() -> None:
    forged = report()
    forged["wer"] = forged["wer"] | {"rate": 0.01}
    assert check_claim("a", forged, report()).claimed[0] == 0.1


def test_a_card_may_claim_only_what_was_measured() -> None:
    def claim(value: float, unit: Any) -> Claim:
        return Claim(
            metric="wer", value=value, written=str(value), unit=unit, has_lm=False, dataset="cv",
            config="sv", split="test",
        )  # fmt: skip

    assert check_card([claim(10.0, "percent"), claim(0.1, "fraction")], [report()]) == []
    (flaw,) = check_card([claim(9.9, "percent")], [report()])
    assert flaw == "README.md claims WER 9.9 on cv: no evaluation in `evidence` says so"
