"""Where the verbs put what they make."""

from pathlib import Path

from anylect.errors import ConfigError


def make_folder(path: Path) -> None:
    """Make an output folder, with those above it, unless it is there.

    Raises:
        ConfigError: When a file is in the way, or the place cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made a folder ({error.strerror})",
            hint="choose a folder that you may write to",
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        ConfigError: When it cannot be written.
    """
    try:
        # Names that are not UTF-8 are kept as `\\udcff`, which JSON reads back.
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror})",
            hint="choose another output, or make room",
        ) from error
