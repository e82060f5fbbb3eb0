import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.errors import LanguageModelError
from anylect.lm.arpa import read_arpa, write_arpa
from anylect.lm.tables import NGramTables

SMALL = r"""\data\
ngram 1=4
ngram 2=2

\1-grams:
-1.5	<unk>
0	<s>	-0.5
-0.75	</s>
-1e-1	a	-.25

\2-grams:
-0.5	<s> a
-0.25	a </s>

\end\
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "a.arpa"
    path.write_text(text)
    return path


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "ç", "|"]), max_size=5).map(" ".join), min_size=1),
    st.integers(1, 4),
)
@settings(deadline=None, max_examples=25)
def test_a_model_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    tables_of: Callable[..., NGramTables],
    listed: Callable[[NGramTables], dict[tuple[str, ...], tuple[float, float]]],
    lines: list[str],
    order: int,
) -> None:
    path = tmp_path_factory.mktemp("arpa") / "a.arpa"
    tables = tables_of(lines, order=order)
    write_arpa(path, tables)
    before, after = listed(tables), listed(read_arpa(path))
    assert set(before) == set(after)
    for ngram, logs in before.items():
        assert after[ngram] == pytest.approx(logs, abs=1e-6)
    text = path.read_bytes()
    write_arpa(path, read_arpa(path))
    assert path.read_bytes() == text


def test_numbers_of_all_spellings_are_read(tmp_path: Path) -> None:
    tables = read_arpa(write(tmp_path, SMALL))
    assert list(tables.words) == ["<unk>", "<s>", "</s>", "a"]
    log10 = tables.orders[0].log_prob / 2.302585092994046
    assert log10.tolist() == pytest.approx([-1.5, 0.0, -0.75, -0.1])
    assert tables.orders[0].backoff is not None
    assert tables.orders[0].backoff[3] == pytest.approx(-0.25 * 2.302585092994046)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: text.replace(b"\n", b"\r\n")])
def test_packed_files_and_other_line_ends_are_read(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(SMALL.encode()))
    assert read_arpa(path).counts == [4, 2]


def test_a_missing_unknown_word_is_added(tmp_path: Path) -> None:
    text = SMALL.replace("-1.5\t<unk>\n", "").replace("1=4", "1=3")
    tables = read_arpa(write(tmp_path, text))
    assert list(tables.words) == ["<unk>", "<s>", "</s>", "a"]
    assert tables.orders[0].log_prob[0] == pytest.approx(-230.2585, abs=1e-3)


def test_unigrams_may_stand_in_any_order(tmp_path: Path) -> None:
    text = SMALL.replace("-1.5\t<unk>\n", "").replace(
        "-1e-1\ta\t-.25\n", "-1e-1\ta\t-.25\n-1.5\t<UNK>\n"
    )
    tables = read_arpa(write(tmp_path, text))
    assert list(tables.words) == ["<unk>", "<s>", "</s>", "a"]
    assert tables.rows(2, 0, 2).tolist() == [[1, 3], [3, 2]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"\data\ ".strip(), "data", r"a.arpa:1: no `\\data\\` section"),
        ("ngram 2=2", "ngram 3=2", "a.arpa:3: orders must be 1, 2, 3, …"),
        ("ngram 2=2", "ngram 2=99999", "99,999 2-grams do not fit into"),
        ("ngram 2=2", "ngram 2=3", r"a.arpa:15: expected a number, found `\\end\\`"),
        ("ngram 2=2", "ngram 2=1", r"a.arpa:13: expected `\\end\\`, found `-0.25"),
        ("-1e-1\ta", "-1e-1\t</s>", "a.arpa:9: this word is listed twice"),
        ("-0.25\ta </s>", "-0.25\ta b", "a.arpa:13: this word is not among the unigrams"),
        ("-0.25\ta </s>", "-0.25\ta", "a.arpa:13: expected another word"),
        ("-0.25\ta </s>", "-0.5\t<s> a", "`<s> a` is listed twice"),
        ("-0.25\ta </s>", "0.25\ta </s>", "a.arpa:13: this log-probability is positive"),
        ("-0.25\ta </s>", "-0.25\ta </s>\t-1\t2", "a.arpa:13: expected the end of the line"),
        ("-0.25\ta </s>", "-0.25x\ta </s>", "a.arpa:13: expected a number"),
        ("-0.5\n", "nan\n", "a.arpa:7: expected a number"),
        (r"\2-grams:", "", r"a.arpa:12: expected the section `\\2-grams:`"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, SMALL.replace(old, new, 1))
    with pytest.raises(LanguageModelError, match=message):
        read_arpa(path)


def test_an_n_gram_without_its_context_is_named(tmp_path: Path) -> None:
    text = SMALL.replace("ngram 2=2", "ngram 2=2\nngram 3=1").replace(
        "\\end\\", "\\3-grams:\n-0.1\ta a </s>\n\n\\end\\"
    )
    with pytest.raises(LanguageModelError, match="`a a </s>` extends an n-gram that is not"):
        read_arpa(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="nowhere: cannot be read"):
        read_arpa(tmp_path / "nowhere")
