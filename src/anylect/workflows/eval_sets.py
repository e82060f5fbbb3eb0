"""What `--dataset` may name: a set on the Hub, a folder of `datasets`, a corpus, a manifest."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from anylect.data.filters import Dropped
from anylect.data.manifest import manifest_checksum
from anylect.data.sources.common_voice import TABLES, find_release
from anylect.data.sources.detect import SourceOptions, find_layout, open_corpus
from anylect.data.sources.hub import HubOptions, HubSet, cut_split, is_dataset_folder
from anylect.data.sources.recordings import Found
from anylect.data.splits import find_split
from anylect.errors import ManifestError
from anylect.records import Utterance

ALL = "all"
"""In place of a split's name: every utterance of a manifest or corpus."""


@dataclass
class EvalSet:
    """A set to be scored; go through it once."""

    utterances: Iterator[Utterance]
    facts: dict[str, Any]
    """Kind, id, config, split, and revision or checksum where there is one."""
    forget: Callable[[Utterance], None] = lambda utterance: None
    """Told of every utterance that was heard."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows that are no utterances, by reason."""


@contextlib.contextmanager
def open_set(
    dataset: str,
    *,
    config: str | None,
    split: str,
    revision: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[EvalSet]:
    """Open whatever `--dataset` names.

    A name that is a file or folder here is local; any other is one of the Hub.

    Raises:
        ManifestError: When a local set cannot be read or has no such split.
        HubError: When a set of the Hub cannot be had.
    """
    path = Path(dataset)
    facts: dict[str, Any] = {"id": dataset, "config": config, "split": split}
    is_local = path.is_dir() or path.is_file()
    if not is_local or (path.is_dir() and is_dataset_folder(path)):
        facts |= {"kind": "datasets", "id": path.resolve().name} if is_local else {"kind": "hub"}
        facts |= {"revision": revision} if revision else {}
        options = HubOptions(config=config, split=split, revision=revision, columns=columns or {})
        with HubSet(dataset, options) as rows:
            found = EvalSet(iter(()), facts, rows.forget)
            found.utterances = _kept(iter(rows), found.dropped)
            yield found
        return
    yield _open_local(path, facts, columns or {})


def _open_local(path: Path, facts: dict[str, Any], columns: Mapping[str, str]) -> EvalSet:
    """Open a corpus of a layout we know, or a manifest."""
    name, first = cut_split(facts["split"])
    if facts["config"] and (path / facts["config"]).is_dir():
        path = path / facts["config"]
    if path.is_dir() and (path / name).is_dir() and not (path / "clips").is_dir():
        path = path / name  # `metadata.csv` and recordings, a folder for each split
        name = ""
    layout = find_layout(path)
    wanted = None if name == ALL else find_split(name)
    tables: tuple[str, ...] = ()
    if layout == "common-voice":
        path = find_release(path)
        tables = () if name == ALL else (name if name in TABLES else wanted or name,)
        wanted = None
    corpus = open_corpus(path, SourceOptions(tables=tables, columns=columns), layout=layout)
    facts |= {"kind": layout, "id": path.resolve().name.removesuffix(".jsonl")}
    manifest = path / "manifest.jsonl" if path.is_dir() else path
    if layout == "manifest":
        facts |= {"manifest_sha256": manifest_checksum(manifest)}
    dropped: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    kept = _of_split(_kept(corpus.found, dropped), wanted, splits, place=path)
    return EvalSet(islice(kept, first), facts, dropped=dropped)


def _kept(found: Iterator[Found], dropped: "Counter[str]") -> Iterator[Utterance]:
    for each in found:
        if isinstance(each, Dropped):
            dropped[str(each.reason)] += 1
        else:
            yield each


def _of_split(
    utterances: Iterator[Utterance], wanted: str | None, splits: "Counter[str]", *, place: Path
) -> Iterator[Utterance]:
    """Yield the utterances of one split, and say which there are if there are none."""
    for utterance in utterances:
        splits[utterance.split or "none"] += 1
        if wanted is None or find_split(utterance.split) == wanted:
            yield utterance
    if wanted is not None and not any(find_split(name) == wanted for name in splits):
        listed = ", ".join(f"`{name}` ({count:,})" for name, count in splits.items()) or "none"
        raise ManifestError(
            f"{place}: no utterance has split `{wanted}`", hint=f"splits there: {listed}"
        )
