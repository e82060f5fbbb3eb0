"""What can go wrong, one class per thing the caller can do about it.

```
AnylectError
├── ConfigError       change a setting or an option
├── ManifestError     change a manifest or the corpus behind it
├── AudioError        replace or repair a recording
├── VocabularyError   change the transcripts, the normalizer or the vocabulary
├── AlignmentError    give the text that was said, or the recording that says it
├── LanguageModelError  rebuild, repair or replace a language model
├── EmissionsError    repair what an acoustic model emitted, or what it is asked to spell
├── TrainingError     change data or options, then resume
├── BundleError       repair or replace a bundle or a checkpoint
├── SubmissionError   change a submission to a challenge, or the limits it runs under
└── HubError          change a repository's name, your rights or your network
```
"""


class AnylectError(Exception):
    """Base of every error that anylect raises on purpose.

    The message says what is wrong, with the value, and what was expected; the hint says
    what to do. The command line prints both without a traceback.

    Example:
        >>> print(ManifestError("a.jsonl:3: `duration` is 0.0 s", hint="the file has no audio"))
        a.jsonl:3: `duration` is 0.0 s
        <BLANKLINE>
        hint: the file has no audio
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


class ConfigError(AnylectError):
    """A setting has a value that cannot be used."""


class ManifestError(AnylectError):
    """A manifest or a corpus is not as it should be."""


class AudioError(AnylectError):
    """A recording cannot be read or holds nothing usable."""


class VocabularyError(AnylectError):
    """A text cannot be written with a vocabulary."""


class AlignmentError(AnylectError):
    """A text cannot be aligned to a recording."""


class LanguageModelError(AnylectError):
    """A language model cannot be estimated, read or used."""


class EmissionsError(AnylectError):
    """Emissions are not log-probabilities of the vocabulary, or cannot spell a text."""


class TrainingError(AnylectError):
    """A training run cannot start or go on."""


class BundleError(AnylectError):
    """A bundle or checkpoint is incomplete or contradicts itself."""


class SubmissionError(AnylectError):
    """A submission to a challenge does not do what it must, or not within its limits."""


class HubError(AnylectError):
    """A repository cannot be reached, read or written."""


def _rebuild(kind: type[AnylectError], message: str, hint: str | None) -> AnylectError:
    # Exceptions with keyword-only arguments do not survive pickling between processes otherwise.
    return kind(message, hint=hint)
