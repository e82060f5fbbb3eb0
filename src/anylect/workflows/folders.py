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
