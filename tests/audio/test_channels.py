import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.channels import (
    change_level,
    change_microphone,
    change_speed,
    change_tempo,
    clip,
    limit_band,
    lose_packets,
    telephone,
    through_mulaw,
)
from anylect.audio.filtering import mean_power
from anylect.audio.noise import active_power
from anylect.records import Waveform

RATE = 16_000


def tone(hz: float, seconds: float = 1.0) -> Waveform:
    time = np.arange(round(seconds * RATE)) / RATE
    return Waveform((0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32), RATE)


def peak_hz(waveform: Waveform) -> float:
    samples = waveform.samples
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax() * RATE / (8 * len(samples)))


KEEPS_LENGTH: dict[str, Callable[[Waveform, np.random.Generator], Waveform]] = {
    "band": lambda waveform, _: limit_band(waveform, band_hz=(300, 3_400)),
    "microphone": lambda waveform, draws: change_microphone(waveform, draws, deviation_db=4),
    "telephone": lambda waveform, _: telephone(waveform),
    "clip": lambda waveform, _: clip(waveform, headroom_db=3),
    "level": lambda waveform, _: change_level(waveform, gain_db=-40),
    "packets": lambda waveform, draws: lose_packets(waveform, draws, share=0.3),
    "silent packets": lambda waveform, draws: lose_packets(
        waveform, draws, share=0.3, concealment="zero"
    ),
}


@given(
    name=st.sampled_from(sorted(KEEPS_LENGTH)),
    size=st.integers(1, 4_000),
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100]),
    loudness=st.sampled_from([0.0, 1e-6, 0.1, 3.0]),
    seed=st.integers(0, 2**32),
)
def test_length_stays_and_everything_is_finite_and_follows_from_the_seed(
    name: str, size: int, rate: int, loudness: float, seed: int
) -> None:
    noise = np.random.default_rng(seed).standard_normal(size)
    waveform = Waveform((loudness * noise).astype(np.float32), rate)
    before = waveform.samples.copy()
    heard, again = (KEEPS_LENGTH[name](waveform, np.random.default_rng(seed)) for _ in range(2))
    assert heard.samples.dtype == np.float32
    assert heard.samples.shape == (size,)
    assert heard.sample_rate == rate
    assert np.isfinite(heard.samples).all()
    assert np.array_equal(heard.samples, again.samples)
    assert np.array_equal(waveform.samples, before)
    if not loudness:
        assert not heard.samples.any()


@pytest.mark.parametrize("speed", [0.9, 1.1, 1.25])
def test_speed_changes_duration_and_pitch_together(speed: float) -> None:
    faster = change_speed(tone(1_000, seconds=2.0), speed=speed)
    assert len(faster.samples) == pytest.approx(32_000 / speed, abs=1)
    assert peak_hz(faster) == pytest.approx(1_000 * speed, abs=1)


@pytest.mark.parametrize("tempo", [0.7, 0.8, 1.0, 1.25, 1.5])
@pytest.mark.parametrize("hz", [130.0, 1_000.0])
def test_tempo_changes_duration_and_leaves_pitch_and_level(tempo: float, hz: float) -> None:
    changed = change_tempo(tone(hz, seconds=2.0), tempo=tempo)
    assert len(changed.samples) == round(32_000 / tempo)
    assert peak_hz(changed) == pytest.approx(hz, rel=0.005)
    middle = changed.samples[2_000:-2_000]
    assert mean_power(middle) == pytest.approx(0.045, rel=0.03)


def test_tempo_moves_what_is_said_where_it_belongs() -> None:
    samples = np.zeros(2 * RATE, np.float32)
    starts = (4_000, 14_000, 25_000)
    for start in starts:
        samples[start : start + 1_600] = tone(500, 0.1).samples
    changed = change_tempo(Waveform(samples, RATE), tempo=1.25).samples
    for start in starts:
        centre = round((start + 800) / 1.25)
        assert mean_power(changed[centre - 300 : centre + 300]) > 0.02
        assert not changed[centre + 1_500 : centre + 2_000].any()


@given(size=st.integers(0, 3_000), tempo=st.floats(0.5, 2.0), seed=st.integers(0, 99))
def test_tempo_of_anything_is_finite_and_of_its_length(size: int, tempo: float, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    changed = change_tempo(Waveform(samples, RATE), tempo=tempo).samples
    assert changed.shape == (round(size / tempo),)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()


def test_the_tempo_of_silence_is_silence() -> None:
    assert not change_tempo(Waveform(np.zeros(5_000, np.float32), RATE), tempo=1.3).samples.any()


@pytest.mark.parametrize("send", ["band", "telephone"])
@pytest.mark.parametrize(
    ("hz", "is_kept"), [(100, False), (400, True), (1_000, True), (3_000, True), (4_500, False)]
)
def test_a_telephone_keeps_its_band(send: str, hz: float, is_kept: bool) -> None:  # noqa: FBT001  a parameter
    both = Waveform(tone(1_500).samples + tone(hz).samples, RATE)
    limited = KEEPS_LENGTH[send](both, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(limited.samples * np.hanning(RATE)))
    ratio = spectrum[round(hz) - 5 : round(hz) + 6].max() / spectrum[1_495:1_506].max()
    assert (ratio > 0.9) if is_kept else (ratio < 0.01)


def test_a_telephone_delays_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE, dtype=np.float32)
    said = limit_band(Waveform(np.float32(0.1) * noise, RATE), band_hz=(500, 3_000))
    heard = telephone(said)
    middle = heard.samples[100:-100]
    assert np.correlate(said.samples, middle, mode="valid").argmax() == 100


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_mulaw_is_some_38_db_above_its_noise_at_any_level(level: float) -> None:
    samples = (level * np.random.default_rng(0).uniform(-1, 1, 50_000)).astype(np.float32)
    noise = through_mulaw(samples) - samples
    assert 31 < 10 * np.log10(mean_power(samples) / mean_power(noise)) < 40


def test_mulaw_has_255_different_values_and_keeps_the_ends() -> None:
    heard = through_mulaw(np.linspace(-1.5, 1.5, 100_001).astype(np.float32))
    assert len(np.unique(heard)) == 255
    assert heard[0] == pytest.approx(-1)
    assert heard[-1] == pytest.approx(1)
    assert heard[50_000] == 0


def test_clipping_cuts_at_the_headroom_and_leaves_what_is_below() -> None:
    said = Waveform(np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE)
    limit = np.sqrt(active_power(said)) * 10 ** (6 / 20)
    heard = clip(said, headroom_db=6).samples
    assert np.abs(heard).max() == pytest.approx(limit)
    below = np.abs(said.samples) < limit
    assert np.array_equal(heard[below], said.samples[below])
    assert 0.03 < 1 - below.mean() < 0.06  # beyond two standard deviations of a Gaussian


def test_a_level_turned_down_loses_its_last_bits() -> None:
    said = tone(440)
    for gain_db, distinct in ((0.0, 5_000), (-60.0, 21), (-100.0, 1)):
        heard = change_level(said, gain_db=gain_db).samples
        assert len(np.unique(heard)) <= distinct
        assert np.array_equal(np.rint(heard * 32_768), heard * 32_768)
        error = heard - said.samples * 10 ** (gain_db / 20)
        assert np.abs(error).max() <= 0.5001 / 32_768


def test_a_level_turned_up_is_clipped_at_full_scale() -> None:
    heard = change_level(tone(440), gain_db=20).samples
    assert heard.min() == -1
    assert heard.max() == pytest.approx(1, abs=1e-4)


def lost_packets(waveform: Waveform, heard: Waveform) -> NDArray[np.bool_]:
    return np.array(
        [
            not np.array_equal(one, two)
            for one, two in zip(
                waveform.samples.reshape(-1, 320), heard.samples.reshape(-1, 320), strict=True
            )
        ]
    )


@pytest.mark.parametrize(("share", "burst"), [(0.05, 1.0), (0.1, 2.0), (0.3, 4.0)])
def test_packets_are_lost_as_often_and_in_such_bursts_as_asked(share: float, burst: float) -> None:
    said = Waveform(np.random.default_rng(0).random(320 * 40_000, dtype=np.float32) + 1, RATE)
    heard = lose_packets(
        said, np.random.default_rng(1), share=share, mean_burst_packets=burst, concealment="zero"
    )
    lost = lost_packets(said, heard)
    assert lost.mean() == pytest.approx(share, rel=0.1)
    bursts = [len(list(each)) for is_lost, each in itertools.groupby(lost) if is_lost]
    assert np.mean(bursts) == pytest.approx(burst, rel=0.15 if burst > 1 else 0.3)


def test_a_lost_packet_is_silent_or_the_last_one_again_and_weaker_each_time() -> None:
    said = Waveform(np.repeat(np.arange(1, 201, dtype=np.float32), 320), RATE)
    silent = lose_packets(said, np.random.default_rng(5), share=0.4, concealment="zero").samples
    repeated = lose_packets(said, np.random.default_rng(5), share=0.4).samples
    last, weaker = 0.0, 1.0
    for number in range(200):
        heard = repeated[320 * number]
        if silent[320 * number]:
            assert heard == silent[320 * number] == number + 1
            last, weaker = float(heard), 1.0
        else:
            assert heard == pytest.approx(last * weaker, rel=1e-5)
            weaker *= 10 ** (-6 / 20)


def test_no_loss_changes_nothing() -> None:
    said = tone(440)
    heard = lose_packets(said, np.random.default_rng(0), share=0.0)
    assert np.array_equal(heard.samples, said.samples)


def test_another_microphone_has_a_smooth_response_of_the_spread_asked_for() -> None:
    tones_hz = np.array([250.0, 500.0, 1_000.0, 2_000.0, 4_000.0])
    time = np.arange(RATE) / RATE
    samples = np.sin(2 * np.pi * tones_hz[:, None] * time).sum(axis=0).astype(np.float32)
    changes = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        changed = change_microphone(Waveform(samples, RATE), generator, deviation_db=4.0).samples
        assert np.mean(changed**2) == pytest.approx(np.mean(samples**2), rel=1e-3)
        before, after = (
            np.abs(np.fft.rfft(each)[tones_hz.astype(int)]) for each in (samples, changed)
        )
        change_db = 20 * np.log10(after / before)
        changes.append(change_db - change_db.mean())
    # The mean over the five tones is taken out by the level, and with it one part in five.
    assert np.std(changes) == pytest.approx(4.0 * np.sqrt(4 / 5), rel=0.15)
