from pathlib import Path
from typing import Any

import pytest

from anylect.audio.conditions import CLEAN, Condition, GridOptions, conditions
from anylect.errors import ConfigError


def names(options: GridOptions | None = None, *, only: tuple[str, ...] = ()) -> list[str]:
    return [condition.name for condition in conditions(options or GridOptions(), only=only)]


def test_the_grid_holds_what_it_promises_and_every_name_once() -> None:
    found = names()
    assert len(found) == len(set(found)) == 43
    assert found[0] == "clean"
    assert {"noise-white-20", "noise-hum-0", "noise-babble-5", "room-0.3", "far-field-4"} < {*found}
    assert {"telephone", "codec-gsm-13", "codec-amr-4.75", "codec-opus-6", "codec-mp3-8"} < {*found}
    assert {"clipping-0", "level--50", "speed-1.25", "tempo-0.8", "packet-loss-20"} < {*found}


def test_folders_of_the_user_replace_what_is_generated() -> None:
    options = GridOptions(noise_folder=Path("noise"), rooms_folder=Path("rooms"))
    found = names(options, only=("noise-*", "room*"))
    noises = [f"noise-{kind}-{snr}" for kind in ("recorded", "babble") for snr in (20, 10, 5, 0)]
    assert found == ["clean", *noises, "room-measured"]
    both = GridOptions(rooms_folder=Path("rooms"), rt60_seconds=(0.5,))
    assert names(both, only=("room*",)) == ["clean", "room-0.5", "room-measured"]


def test_patterns_choose_and_clean_is_always_there() -> None:
    assert names(only=("clean",)) == ["clean"]
    assert names(only=("tele*", "speed-0.8", "telephone")) == ["clean", "telephone", "speed-0.8"]


def test_an_empty_list_leaves_a_family_out() -> None:
    assert not [name for name in names(GridOptions(codecs=())) if name.startswith("codec")]
    assert not [name for name in names(GridOptions(noises=())) if name.startswith("noise")]
    assert "telephone" not in names(GridOptions(telephone=False))


@pytest.mark.parametrize(
    ("condition", "strength", "unit"),
    [
        (CLEAN, "", ""),
        (Condition(family="noise", variant="white", value=10.0), "10 dB SNR", "dB SNR"),
        (Condition(family="room", value=0.3), "0.3 s RT60", "s RT60"),
        (Condition(family="room", variant="measured"), "", ""),
        (Condition(family="codec", variant="amr", value=4.75), "4.75 kb/s", "kb/s"),
        (Condition(family="speed", value=1.1), "×1.1", "times"),
        (Condition(family="packet loss", value=5.0), "5 %", "%"),
    ],
)
def test_a_condition_says_its_strength_with_its_unit(
    condition: Condition, strength: str, unit: str
) -> None:
    assert condition.strength == strength
    assert condition.unit == unit
    assert condition.to_json()["unit"] == (unit or None)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"noises": ("purple",)}, "there is no noise `purple`", "white, pink, brown"),
        ({"noises": ("recorded",)}, "no folder is given for `recorded` noise", "noise_folder"),
        ({"speeds": (0.0,)}, "`speeds` has 0.0", "0.25 to 4"),
        ({"rt60_seconds": (3.0,)}, "`rt60_seconds` has 3.0", "0.1 to 1.5"),
        ({"burst_packets": 0.5}, "`burst_packets` is 0.5", "1 or more"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    settings: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        GridOptions(**settings)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


def test_a_name_that_fits_nothing_is_refused_with_the_families() -> None:
    with pytest.raises(ConfigError, match="no condition is called `nosie") as caught:
        names(only=("nosie-*",))
    assert "noise*" in str(caught.value.hint)


@pytest.mark.parametrize("codec", ["speex 8", "opus", "opus x", "gsm 12"])
def test_a_codec_that_cannot_be_had_is_found_before_anything_is_measured(codec: str) -> None:
    with pytest.raises(ConfigError):
        names(GridOptions(codecs=(codec,)))
    assert names(GridOptions(codecs=("gsm 12",)), only=("telephone",)) == ["clean", "telephone"]
