import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.errors import LanguageModelError
from anylect.lm.arpa import read_arpa
from anylect.lm.kenlm_binary import build_model, load_model, load_tables, save_binary
from anylect.lm.ngram import EMPTY
from anylect.lm.suffixes import complete_suffixes
from anylect.lm.tables import NGramTables

LN10 = float(np.log(10))


@pytest.fixture(scope="session")
def scores(golden: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / "scores.json").read_text())
    return found


KINDS = ("probing", "trie", "trie_quantised", "trie_array", "trie_quantised_array")


@pytest.mark.parametrize(
    ("order", "kind"),
    [("order3", "rest"), *((order, kind) for order in ("order2", "order5") for kind in KINDS)],
)
def test_every_kind_of_binary_scores_as_kenlm_does(
    golden: Path, scores: dict[str, Any], order: str, kind: str
) -> None:
    name = f"{order}_{kind}.bin"
    model = load_model(golden / name)
    assert model.kind.startswith("probing" if kind == "rest" else kind.split("_")[0])
    for sentence, theirs in zip(scores["sentences"], scores["models"][name]["log10"], strict=True):
        ours = np.array(model.score(sentence)) / LN10
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("name", ["order2", "order3", "order5", "order6", "pruned4"])
def test_what_we_save_is_loaded_by_kenlm_and_scores_the_same(
    golden: Path, tmp_path: Path, name: str
) -> None:
    kenlm = pytest.importorskip("kenlm")
    save_binary(tmp_path / "a.bin", read_arpa(golden / f"{name}.arpa"))
    ours, theirs = load_model(tmp_path / "a.bin"), kenlm.Model(str(tmp_path / "a.bin"))
    for sentence in [*(golden / "corpus.txt").read_text().splitlines()[:50], "w1 unseen", ""]:
        expected = [score for score, *_ in theirs.full_scores(sentence)]
        assert np.array(ours.score(sentence)) / LN10 == pytest.approx(expected, abs=1e-5)


def test_an_arpa_file_and_its_binary_are_the_same_model(golden: Path, tmp_path: Path) -> None:
    tables = read_arpa(golden / "order5.arpa")
    save_binary(tmp_path / "a.bin", tables)
    kept, loaded = build_model(tables), load_model(tmp_path / "a.bin")
    assert list(kept.words) == list(loaded.words)
    assert bytes(loaded.kernel.image[: len(kept.kernel.image)]) == bytes(kept.kernel.image)


def test_a_trie_gives_its_n_grams_back(
    golden: Path, listed: Callable[[NGramTables], dict[tuple[str, ...], tuple[float, float]]]
) -> None:
    arpa = listed(read_arpa(golden / "order5.arpa"))
    for name in ("order5_trie.bin", "order5_trie_array.bin"):
        trie = listed(load_tables(golden / name))
        assert set(trie) == set(arpa)
        for ngram, logs in arpa.items():
            assert trie[ngram] == pytest.approx(logs, abs=1e-6)


def test_a_probing_binary_cannot_be_listed_and_says_so(golden: Path) -> None:
    with pytest.raises(LanguageModelError, match="hashes of its n-grams"):
        load_tables(golden / "order5_probing.bin")


def test_what_a_pruning_program_left_out_is_added_without_changing_scores(tmp_path: Path) -> None:
    text = r"""\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-1.5	<unk>
0	<s>	-0.5
-0.75	</s>
-0.4	a	-0.25
-0.6	b	-0.125

\2-grams:
-0.5	<s> a	-0.1
-0.25	a </s>
-0.3	b b	-0.2

\3-grams:
-0.05	<s> a b

\end\
"""
    (tmp_path / "a.arpa").write_text(text)
    tables = read_arpa(tmp_path / "a.arpa")
    completed = complete_suffixes(tables)
    assert completed.counts == [5, 4, 1]
    model = load_model(tmp_path / "a.arpa")
    scores = np.array(model.score("a b a b")) / LN10
    assert scores == pytest.approx([-0.5, -0.05, -0.125 - 0.4, -0.25 - 0.6, -0.125 - 0.75])
    kenlm = pytest.importorskip("kenlm")
    save_binary(tmp_path / "a.bin", tables)
    theirs = kenlm.Model(str(tmp_path / "a.bin")).full_scores("a b a b")
    assert scores == pytest.approx([score for score, *_ in theirs], abs=1e-5)


words = st.sampled_from(["a", "b", "c", "d", "e"])


@given(st.lists(st.lists(words, max_size=8).map(" ".join), min_size=1), st.lists(words))
@settings(deadline=None, max_examples=40)
def test_scores_are_those_of_backing_off_by_hand(
    tables_of: Callable[..., NGramTables],
    listed: Callable[[NGramTables], dict[tuple[str, ...], tuple[float, float]]],
    lines: list[str],
    asked: list[str],
) -> None:
    tables = tables_of(lines, order=4)
    ngrams = listed(tables)

    def by_hand(context: tuple[str, ...], word: str) -> float:
        if (*context, word) in ngrams:
            return ngrams[(*context, word)][0]
        if not context:
            return ngrams[("<unk>",)][0]
        return ngrams.get(context, (0.0, 0.0))[1] + by_hand(context[1:], word)

    history = ["<s>", *(word if (word,) in ngrams else "<unk>" for word in asked), "</s>"]
    expected = [
        by_hand(tuple(history[max(0, i - 3) : i]), history[i]) for i in range(1, len(history))
    ]
    ours = np.array(build_model(tables).score(" ".join(asked))) / LN10
    assert ours == pytest.approx(expected, abs=1e-5)


def test_states_are_equal_when_their_futures_are(golden: Path) -> None:
    model = load_model(golden / "order5.arpa")
    unknown = model.advance(EMPTY, 0)[1]
    assert unknown == EMPTY  # nothing was ever seen after an unknown word
    assert model.advance(model.begin, 0)[1] == unknown
    with pytest.raises(LanguageModelError, match="is no word"):
        model.advance(EMPTY, len(model))


def test_six_orders_fit_into_a_state(golden: Path) -> None:
    model = load_model(golden / "order6.arpa")
    sentence = (golden / "corpus.txt").read_text().splitlines()[0].split()[:5]
    state = model.begin
    for number in model.ids(sentence):
        state = model.advance(state, int(number))[1]
    assert state[0] != 0
    assert state[1] != 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:100], "too few|cannot be in"),
        (lambda data: data[:-30], "words instead of|should have"),
        (lambda data: data[:50] + b"4" + data[51:], "not version 5"),
        (lambda data: data[:88] + b"\x00" + data[89:], "order 0"),
        (lambda data: data[:108] + b"\xff" * 8 + data[116:], "cannot be in"),
        (lambda data: b"mmap lm http://kheafield.com/code incomplete\n" + data[45:], "interrupted"),
    ],
)
def test_damage_of_a_binary_is_named(
    golden: Path, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    (tmp_path / "a").write_bytes(damage((golden / "order5_probing.bin").read_bytes()))
    with pytest.raises(LanguageModelError, match=message) as caught:
        load_model(tmp_path / "a")
    assert caught.value.hint
