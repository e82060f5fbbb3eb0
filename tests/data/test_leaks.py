from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from anylect.data.leaks import Leak, LeakFinder, find_leaks
from anylect.data.manifest import read_manifest
from anylect.records import Utterance
from anylect.text.normalize import default_normalizer


def _utterances(*said: tuple[str | None, str]) -> list[Utterance]:
    return [
        Utterance(audio=Path("a.wav"), text=text, id=str(number), speaker=speaker)
        for number, (speaker, text) in enumerate(said)
    ]


def test_leaks_are_counted_by_hand() -> None:
    sides = {
        "test": _utterances(("b", "One!"), ("c", "three"), ("c", "one"), ("d", "four")),
        "train": _utterances(("a", "one"), ("a", "two"), ("b", "one")),
    }
    leaks = find_leaks(sides, normalize=lambda text: text.lower().strip("!"))
    assert leaks == [
        Leak("sentence", "train", "test", 1, 2, 0.5, ("one",)),
        Leak("speaker", "train", "test", 1, 1, 0.25, ("b",)),
    ]
    assert str(leaks[0]) == (
        "1 sentence of train also in test: 2 utterances, 50.0 % of test, e.g. 'one'"
    )


def test_unknown_speakers_and_empty_sentences_are_no_leak() -> None:
    sides = {"train": _utterances((None, "")), "test": _utterances((None, ""))}
    assert find_leaks(sides, normalize=str) == []


def test_several_manifests_are_compared_by_name() -> None:
    sides = {"old.jsonl": _utterances(("a", "x")), "new.jsonl": _utterances(("a", "y"))}
    (leak,) = find_leaks(sides, normalize=str)
    assert (leak.left, leak.right, leak.examples) == ("old.jsonl", "new.jsonl", ("a",))


SIDES = st.dictionaries(
    st.sampled_from(["train", "dev", "test"]),
    st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.sampled_from(["", *"uvwxyz"]))),
)


@given(SIDES)
def test_leaks_are_those_sets_show(said: dict[str, list[tuple[str | None, str]]]) -> None:
    leaks = find_leaks({side: _utterances(*pairs) for side, pairs in said.items()}, normalize=str)
    found = {(leak.kind, leak.left, leak.right): leak.distinct for leak in leaks}
    expected = {}
    for left, right in (("train", "dev"), ("train", "test"), ("dev", "test")):
        for place, kind in enumerate(("speaker", "sentence")):
            there = {pair[place] for pair in said.get(left, [])} - {None, ""}
            here = {pair[place] for pair in said.get(right, [])} - {None, ""}
            if there & here:
                expected[kind, left, right] = len(there & here)
    assert found == expected


def test_distinct_names_are_counted() -> None:
    finder = LeakFinder()
    for speaker, sentence in (("a", "x"), ("a", "y"), (None, "x")):
        finder.add("dev", speaker=speaker, sentence=sentence)
    assert (finder.distinct("dev", "speaker"), finder.distinct("dev", "sentence")) == (1, 2)


def test_the_prompts_of_smc_malayalam_repeat(shared_data: Path) -> None:
    manifest = shared_data / "smc_malayalam" / "manifest.jsonl"
    leaks = find_leaks(
        {split: read_manifest(manifest, split=split) for split in ("train", "test")},
        normalize=default_normalizer("ml"),
    )
    assert [leak.kind for leak in leaks] == ["sentence"]
    assert leaks[0].share > 0.9
