"""The files of the eval contract, as the Robust Speech Challenge laid them out in 2022.

`{dataset}_{config}_{split}_eval_results.txt` holds two lines of fractions, and on request
`log_…_predictions.txt` and `log_…_targets.txt` hold an index and a text by turns.
"""

from pathlib import Path
from types import TracebackType

from anylect.errors import BundleError


def dataset_id(dataset: str, config: str | None, split: str) -> str:
    """Name a scored set as the contract does.

    What lies on this machine outside the folder one stands in is named by its last part.

    Example:
        >>> dataset_id("mozilla-foundation/common_voice_7_0", "sv-SE", "test")
        'mozilla-foundation_common_voice_7_0_sv-SE_test'
        >>> dataset_id("/data/mine/manifest.jsonl", None, "test[:10]")
        'manifest_test-10'
    """
    path = Path(dataset)
    if path.is_absolute() or ".." in path.parts or dataset.startswith("."):
        path = Path(path.resolve().name)
    parts = [*path.with_suffix("" if path.suffix == ".jsonl" else path.suffix).parts]
    parts += [config] if config else []
    name = "_".join([*parts, split])
    return name.replace("[:", "-").replace("]", "").replace("/", "_")


class EvalFiles:
    """Writes results, and while the set is heard the logs, into a folder.

    Args:
        folder: Where one stands, in the original.
        name: The `dataset_id`.
        logs: Whether to write predictions and targets.
    """

    def __init__(self, folder: Path, name: str, *, logs: bool) -> None:
        self.results = folder / f"{name}_eval_results.txt"
        self.predictions = folder / f"log_{name}_predictions.txt" if logs else None
        self.targets = folder / f"log_{name}_targets.txt" if logs else None

    def __enter__(self) -> "EvalFiles":
        try:
            self.results.parent.mkdir(parents=True, exist_ok=True)
            self._streams = [
                path.open("w", encoding="utf-8", errors="backslashreplace")
                for path in (self.predictions, self.targets)
                if path is not None
            ]
        except OSError as error:
            raise self._refusal(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        try:
            for stream in self._streams:
                stream.close()
        except OSError as error:
            if kind is None:
                raise self._refusal(error) from error

    def add(self, index: int, *, prediction: str, target: str) -> None:
        """Log one utterance under its index in the set."""
        for stream, text in zip(self._streams, (prediction, target), strict=False):
            try:
                stream.write(f"{index}\n{text}\n")
            except OSError as error:
                raise self._refusal(error) from error

    def conclude(self, *, wer: float | None, cer: float | None) -> str:
        """Write the results, fractions; return what was written."""
        text = "\n".join(
            f"{name}: {'nan' if rate is None else rate}"
            for name, rate in (("WER", wer), ("CER", cer))
        )
        try:
            self.results.write_text(text, encoding="utf-8")
        except OSError as error:
            raise self._refusal(error) from error
        return text

    def _refusal(self, error: OSError) -> BundleError:
        return BundleError(
            f"{self.results.parent}: cannot be written to ({error.strerror})",
            hint="choose another folder with `--output`, or make room",
        )
