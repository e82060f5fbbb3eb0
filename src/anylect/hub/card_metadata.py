"""The head of a card and `.eval_results/`: what model hubs read."""

from collections.abc import Iterable
from typing import Any

from anylect.hub.card_facts import Facts, Scored

TASK = "automatic-speech-recognition"
EVENT = "robust-speech-event"


def build_metadata(facts: Facts) -> dict[str, Any]:
    """Build a card's head: language, licence, tags, data sets, and the `model-index`.

    Rates are percent, as the Hub's leaderboards expect; without a language model first.
    """
    language = facts.language.partition("-")[0]
    hub_sets = [name for name in facts.corpora if "/" in name]
    names = list(dict.fromkeys([*facts.options.datasets, *hub_sets]))
    tags = [TASK, EVENT, language, "anylect", *facts.corpora, *facts.options.tags]
    head: dict[str, Any] = {
        "language": language,
        "license": facts.options.license,
        "library_name": "transformers",
        "pipeline_tag": TASK,
        "tags": list(dict.fromkeys([*tags, *names])),
        "datasets": names or None,
        "metrics": ["wer", "cer"],
        "base_model": facts.checkpoint,
    }
    index = build_model_index(facts)
    if index:
        head["model-index"] = [{"name": facts.name, "results": index}]
    return {name: value for name, value in head.items() if value is not None}


def build_model_index(facts: Facts) -> list[dict[str, Any]]:
    """Build the results of `model-index`, one for every data set, config, split and revision."""
    groups: dict[tuple[Any, ...], list[Scored]] = {}
    for each in facts.scored:
        dataset = each.dataset
        key = tuple(dataset.get(name) for name in ("id", "config", "split", "revision"))
        groups.setdefault(key, []).append(each)
    results = []
    for (name, config, split, revision), scored in groups.items():
        dataset = {
            "name": name,
            "type": name,
            "config": config,
            "split": split,
            "revision": revision,
            "args": _arguments(scored[0]),
        }
        results.append(
            {
                "task": {"name": "Automatic Speech Recognition", "type": TASK},
                "dataset": {key: value for key, value in dataset.items() if value},
                "metrics": list(_metrics(scored)),
            }
        )
    return results


def build_eval_results(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Build the files of `.eval_results/`, by name: a file for each set and way of decoding.

    Only whole splits of sets on the Hub have a place there.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for each in facts.scored:
        dataset, value = each.dataset, each.percent("wer")
        is_whole = "[" not in str(dataset.get("split"))
        if dataset.get("kind") != "hub" or not is_whole or value is None:
            continue
        place = {"id": dataset["id"], "task_id": dataset.get("config") or "default"}
        if dataset.get("revision"):
            place["revision"] = dataset["revision"]
        words = each.facts["wer"].get("length")
        cer = each.percent("cer")
        entry = {"dataset": place, "value": value, "date": str(each.facts.get("date", ""))}
        entry["notes"] = (
            f"WER in percent; CER {cer}; split {dataset.get('split')}; {words} words; "
            f"{each.facts.get('decoding')}"
        )
        parts = [dataset["id"].replace("/", "_"), dataset.get("config"), dataset.get("split")]
        name = "_".join([*(part for part in parts if part), *([] if each.has_lm else ["no_lm"])])
        files[f"{name}.yaml"] = [{key: item for key, item in entry.items() if item}]
    return files


def _arguments(scored: Scored) -> dict[str, Any]:
    """Say what tells two local sets of the same name apart."""
    checksum = scored.facts.get("manifest_sha256")
    return {"manifest_sha256": checksum} if checksum else {}


def _metrics(scored: Iterable[Scored]) -> Iterable[dict[str, Any]]:
    for each in sorted(scored, key=lambda found: (found.has_lm, found.name)):
        split = str(each.dataset.get("split") or "").partition("[")[0].title()
        for rate in ("wer", "cer"):
            value = each.percent(rate)
            if value is None:
                continue
            name = " ".join(part for part in (split, rate.upper()) if part)
            measured = each.facts[rate]
            low, high = measured.get("low"), measured.get("high")
            arguments = {
                "unit": "percent",  # a rate below 1 % could be taken for a fraction
                "decoding": each.facts.get("decoding"),
                "normalizer": (each.facts.get("normalizer") or {}).get("hash"),
                "reference_length": measured.get("length"),
            }
            if low is not None and high is not None:
                arguments["interval_95"] = [round(100 * low, 2), round(100 * high, 2)]
            yield {
                "name": f"{name} (+LM)" if each.has_lm else name,
                "type": rate,
                "value": value,
                "args": {key: item for key, item in arguments.items() if item is not None},
            }
