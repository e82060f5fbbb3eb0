from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.audio.filtering import convolve, mean_power
from anylect.audio.rooms import (
    Room,
    add_room,
    decaying_response,
    draw_far_field,
    draw_room,
    far_field,
    make_response,
    reverberation_seconds,
    room_response,
)
from anylect.audio.sounds import load_response, open_sounds
from anylect.errors import ConfigError
from anylect.records import Waveform

RATE = 16_000


def speechlike(seconds: float = 1.0, seed: int = 0) -> Waveform:
    generator = np.random.default_rng(seed)
    size = round(seconds * RATE)
    envelope = np.repeat(generator.random(size // 1_000 + 1), 1_000)[:size]
    return Waveform((0.1 * generator.standard_normal(size) * envelope).astype(np.float32), RATE)


def lag(heard: Waveform, said: Waveform) -> int:
    """Find by how many samples the second has to be moved to meet the first."""
    size = 2 * max(len(heard.samples), len(said.samples))
    spectrum = np.fft.rfft(heard.samples, size) * np.conj(np.fft.rfft(said.samples, size))
    place = int(np.fft.irfft(spectrum, size).argmax())
    return place if place < size // 2 else place - size


@settings(max_examples=30)
@given(samples=st.integers(0, 40_000), response=st.integers(1, 9_000), seed=st.integers(0, 2**32))
def test_convolution_in_blocks_is_convolution(samples: int, response: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(samples).astype(np.float32)
    h = generator.standard_normal(response).astype(np.float32)
    found = convolve(x, h)
    assert found.shape == (samples + response - 1,)
    if samples:
        size = samples + response
        whole = np.fft.irfft(np.fft.rfft(x.astype(float), size) * np.fft.rfft(h, size), size)
        assert found == pytest.approx(whole[: samples + response - 1], abs=2e-3)


@pytest.mark.parametrize("seconds", [0.2, 0.4, 0.7])
@pytest.mark.parametrize("distance_m", [0.5, 2.0])
def test_a_made_room_reverberates_as_long_as_asked(seconds: float, distance_m: float) -> None:
    for number in range(3):
        response = make_response(number, RATE, distance_m=distance_m, rt60_seconds=seconds)
        found = reverberation_seconds(response, sample_rate=RATE)
        assert found == pytest.approx(seconds, rel=0.1)
        assert response[0] == 1
        assert np.isfinite(response).all()


def test_the_first_reflections_come_when_geometry_says() -> None:
    # Mouth and microphone 2 m apart, half-way up: floor and ceiling are a path of 2·√(1² + 1²) m.
    room = Room(size=(8.0, 7.0, 2.0), source=(3, 3.5, 1), microphone=(5, 3.5, 1), rt60_seconds=0.4)
    response = room_response(room, np.random.default_rng(0), sample_rate=RATE)
    late = (np.sqrt(8) - 2) / 343 * RATE
    first = response[round(late) - 5 : round(late) + 6]
    assert np.abs(response[4 : round(late) - 5]).max() < 0.15 < np.abs(first).max()


def test_sound_fades_with_distance_and_the_room_does_not() -> None:
    said = speechlike()
    near, far = (
        far_field(said, np.random.default_rng(3), distance_m=metres, rt60_seconds=0.3)
        for metres in (0.5, 4.0)
    )
    ratio_db = 10 * np.log10(mean_power(near.samples) / mean_power(far.samples))
    # The direct sound alone would be 18 dB weaker; echoes make up for some of it.
    assert 4 < ratio_db < 17


@given(seed=st.integers(0, 2**32), distance=st.floats(0.2, 6.5), rt60=st.floats(0.1, 1.5))
def test_mouth_and_microphone_stand_in_the_room_at_their_distance(
    seed: int, distance: float, rt60: float
) -> None:
    room = draw_room(np.random.default_rng(seed), distance_m=distance, rt60_seconds=rt60)
    for place in (room.source, room.microphone):
        assert all(0 < x < side for x, side in zip(place, room.size, strict=True))
    apart = np.linalg.norm(np.subtract(room.source, room.microphone))
    assert apart == pytest.approx(distance)


@pytest.mark.parametrize(("distance", "rt60"), [(9.0, 0.5), (1.0, 3.0), (0.0, 0.5)])
def test_a_room_that_cannot_be_is_refused(distance: float, rt60: float) -> None:
    with pytest.raises(ConfigError, match="no room is made") as caught:
        make_response(0, RATE, distance_m=distance, rt60_seconds=rt60)
    assert "measured responses" in str(caught.value.hint)


@pytest.mark.parametrize("number", range(4))
def test_speech_in_a_room_stays_in_time_and_at_its_level(number: int) -> None:
    said = speechlike(seed=number)
    heard = add_room(said, make_response(number, RATE, distance_m=1.0, rt60_seconds=0.4))
    assert lag(heard, said) == 0
    assert len(heard.samples) == len(said.samples)
    assert mean_power(heard.samples) == pytest.approx(mean_power(said.samples), rel=1e-3)


@settings(max_examples=20)
@given(size=st.integers(0, 3_000), seed=st.integers(0, 9))
def test_silence_in_a_room_is_silence(size: int, seed: int) -> None:
    silence = Waveform(np.zeros(size, np.float32), RATE)
    generator = np.random.default_rng(seed)
    heard = add_room(silence, decaying_response(generator, sample_rate=RATE))
    assert heard.samples.shape == (size,)
    assert not heard.samples.any()
    far = draw_far_field(silence, generator, distance_m=(1, 2), rt60_seconds=(0.2, 0.2))
    assert far.samples.shape == (size,)
    assert not far.samples.any()


@pytest.mark.parametrize("seed", range(3))
def test_a_decaying_room_rings_behind_the_sound(seed: int) -> None:
    click = np.zeros(RATE, np.float32)
    click[4_000] = 1.0
    response = decaying_response(np.random.default_rng(seed), sample_rate=RATE)
    found = add_room(Waveform(click, RATE), response).samples
    assert np.abs(found[:3_990]).max() < 1e-5
    assert found.argmax() == 4_000
    assert mean_power(found[4_001:6_000]) > 10 * mean_power(found[14_000:])
    assert 0.1 < reverberation_seconds(response, sample_rate=RATE) < 0.65


def test_the_same_seed_finds_the_same_place() -> None:
    said = speechlike(0.3)
    one, same, other = (
        draw_far_field(
            said, np.random.default_rng(seed), distance_m=(1, 3), rt60_seconds=(0.2, 0.3)
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one.samples, same.samples)
    assert not np.allclose(one.samples, other.samples)


def test_a_measured_response_begins_with_its_direct_sound_and_ends_60_db_below(
    tmp_path: Path,
) -> None:
    decay = 10 ** (-3 * np.arange(8_000) / 4_000)  # 60 dB in a quarter of a second
    soundfile.write(tmp_path / "hall.wav", np.pad(-0.5 * decay, (700, 0)), RATE, subtype="FLOAT")
    response = load_response(tmp_path / "hall.wav", RATE)
    assert response[0] == 1
    assert len(response) == pytest.approx(4_000, abs=2)
    sounds = open_sounds(tmp_path)
    drawn = sounds.draw_response(np.random.default_rng(0), sample_rate=RATE)
    assert np.array_equal(drawn, response)


def test_a_silent_response_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(100), RATE)
    with pytest.raises(ConfigError, match=r"none\.wav: is silent") as caught:
        load_response(tmp_path / "none.wav", RATE)
    assert "remove" in str(caught.value.hint)


def test_measured_rooms_reverberate_plausibly_and_keep_speech_in_time(shared_data: Path) -> None:
    sounds = open_sounds(shared_data / "noise_rir" / "rir")
    said = speechlike()
    for path in sounds.recordings[:6]:
        response = load_response(path, RATE)
        assert 0.05 < reverberation_seconds(response, sample_rate=RATE) < 15
        assert abs(lag(add_room(said, response), said)) <= 1
