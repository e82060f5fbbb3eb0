"""Other people's cards: a table of what goes wrong in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.hub.card_claims import read_claims
from anylect.hub.card_lint import lint_card, lint_results


def card(*, wer: object, cer: object = 5.0, body: str = "", **changes: str) -> str:
    lines = {"language": "sv", "license": "mit", "split": "test", "config": "sv-SE", **changes}
    return f"""---
language: {lines["language"]}
license: {lines["license"]}
tags: [automatic-speech-recognition, robust-speech-event]
datasets: [mozilla-foundation/common_voice_7_0]
model-index:
- name: model
  results:
  - task: {{name: Speech Recognition, type: automatic-speech-recognition}}
    dataset:
      name: Common Voice 7
      type: mozilla-foundation/common_voice_7_0
      {"split: " + lines["split"] if lines["split"] else ""}
      config: {lines["config"]}
    metrics:
    - {{name: Test WER, type: wer, value: {wer}}}
    - {{name: Test CER, type: cer, value: {cer}}}
---
{body}
"""


def said(text: str) -> list[str]:
    return [f"{each.place}: {each.what}" for each in lint_card(text)]


def test_a_good_card_passes() -> None:
    assert said(card(wer=24.31)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (card(wer=0.2431, cer=0.07), "0.2431 is a fraction, expected percent"),
        (card(wer=0.2431, cer=0.07, body="- Wer: 24.31 %"), "0.2431 is a fraction"),
        (card(wer=2431.0), "2431.0 is more than 200 percent"),
        (card(wer="'none'"), "'none' is no number"),
        (card(wer=5.0, cer=24.0), "the CER (24) is above the WER (5)"),
        (card(wer=24.3, split=""), "no split"),
        (card(wer=24.3, language="no", config="nb-NO"), "`no` without quotation marks is False"),
        (card(wer=24.3, language="cz", config="cs"), "`cz` is no language but a country"),
        (card(wer=24.3, language="se"), "`se`, but scored on `sv-SE`"),
        (card(wer=24.3, language="Swedish"), "`Swedish` is no language code"),
        (card(wer=24.3, language="sv-SE"), "the Hub sorts by plain codes"),
        (card(wer=24.3, language="qq"), "`qq` is not in ISO 639-1"),
        (card(wer=24.3, license=""), "license: is missing"),
        ("# Title", "no metadata"),
        ("---\n- a\n---\n", "the metadata is no table"),
        ("---\na: [\n---\n", "not YAML"),
    ],
)
def test_what_is_wrong_is_said(text: str, expected: str) -> None:
    assert any(expected in each for each in said(text)), said(text)


@pytest.mark.parametrize(
    ("wer", "cer", "body", "fraction"),
    [
        (24.31, 7.0, "", 0.2431),
        ("'24,31 %'", 7.0, "", 0.2431),
        (0.2431, 0.07, "", 0.2431),
        # Really below one percent: the text says so, or the other rate does.
        (0.9, 0.2, "WER: 0.9 %", 0.009),
        (0.9, 0.2, "eval_wer: 0.009", 0.009),
        # Nothing decides: the worse reading counts.
        (1.5, 0.4, "", 1.5),
        (14.1, 1.9, "", 0.141),
    ],
)
def test_a_claim_is_read_in_its_unit(wer: object, cer: object, body: str, fraction: float) -> None:
    claims = {each.metric: each for each in read_claims(card(wer=wer, cer=cer, body=body))}
    assert claims["wer"].fraction == pytest.approx(fraction)
    assert claims["wer"].split == "test"
    if wer == 14.1:
        assert claims["cer"].fraction == pytest.approx(0.019)


def test_a_good_rate_that_states_its_unit_is_no_fraction() -> None:
    text = card(wer="0.9, args: {unit: percent}", cer="0.35, args: {unit: percent}")
    assert said(text) == []
    (wer, cer) = read_claims(text)
    assert (wer.fraction, cer.fraction) == pytest.approx((0.009, 0.0035))
    assert any("fraction" in each for each in said(card(wer=0.9, cer=0.35)))


def test_results_must_be_fractions() -> None:
    assert lint_results("WER: 0.24\nCER: 0.07", place="x") == []
    assert [each.what for each in lint_results("WER: 24.1", place="x")] == [
        "no line `CER: …`",
        "WER is 24.1, expected a fraction",
    ]


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_card_breaks_the_lint(head: str, body: str) -> None:
    lint_card(f"---\n{head}\n---\n{body}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "results", "dataset", "metrics", "type", "value", "language"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_metadata_break_the_lint(value: object) -> None:
    import yaml

    text = yaml.safe_dump({"model-index": [{"results": [value]}, value], "language": value})
    lint_card(f"---\n{text}---\n")
