import stat
from pathlib import Path

import pytest

from anylect.training.energy import EnergyMeter

FULL = 1_000_000


def zone(powercap: Path, name: str, kind: str, microjoules: int) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{FULL}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """A machine of two packages; their parts and a board's total must not be counted twice."""
    root = tmp_path / "powercap"
    zone(root, "intel-rapl:0", "package-0", 100_000)
    zone(root, "intel-rapl:0:0", "core", 50_000)
    zone(root, "intel-rapl:0:1", "dram", 7_000)
    zone(root, "intel-rapl:1", "package-1", 900_000)
    zone(root, "intel-rapl:2", "psys", 5_000)
    zone(root, "intel-rapl-mmio:0", "package-0", 100_000)
    return root


def smi(tmp_path: Path, *watts: str) -> str:
    """A driver's command that tells the same watts again and again."""
    path = tmp_path / "smi"
    lines = "\\n".join(f"{number}, {power}" for number, power in enumerate(watts))
    path.write_text(f"#!/bin/sh\nprintf '{lines}\\n'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_packages_and_memory_are_counted_also_over_a_full_counter(powercap: Path) -> None:
    meter = EnergyMeter(powercap, command="no-such-command")
    meter.start()
    (powercap / "intel-rapl:0/energy_uj").write_text("350000\n")
    (powercap / "intel-rapl:0:1/energy_uj").write_text("8000\n")
    (powercap / "intel-rapl:1/energy_uj").write_text("150000\n")  # 900,000 to 1,000,000 and on
    joules = meter.read()
    meter.stop()
    assert meter.silence is None
    assert joules == pytest.approx(
        {"package-0 (0)": 0.25, "dram (0:1)": 0.001, "package-1 (1)": 0.25}
    )
    assert meter.read() == pytest.approx(joules)


def test_cards_are_counted_by_their_watts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0, 112.0])
    monkeypatch.setattr("anylect.training.energy.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("anylect.training.energy.threading.Thread.start", lambda _: None)
    meter = EnergyMeter(tmp_path / "none", command=smi(tmp_path, "300.5", "[N/A]", "40"))
    meter.start()
    assert meter.read() == pytest.approx({"card 0": 3005.0, "card 2": 400.0})
    assert meter.read() == pytest.approx({"card 0": 3606.0, "card 2": 480.0})


def test_a_machine_that_tells_nothing_says_why(tmp_path: Path) -> None:
    meter = EnergyMeter(tmp_path / "none", command="no-such-command")
    meter.start()
    assert meter.read() == {}
    assert meter.silence == (
        f"no energy counters below {tmp_path / 'none'}; no card tells `no-such-command` its power"
    )


def test_a_counter_that_may_not_be_read_says_so(powercap: Path) -> None:
    for path in powercap.glob("*/energy_uj"):
        path.unlink()
        path.mkdir()  # reading fails, also for root
    meter = EnergyMeter(powercap, command="no-such-command")
    meter.start()
    assert "intel-rapl:0/energy_uj cannot be read" in (meter.silence or "")


def test_a_driver_that_fails_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "smi"
    path.write_text("#!/bin/sh\nexit 9\n")
    path.chmod(0o755)
    meter = EnergyMeter(tmp_path / "none", command=str(path))
    meter.start()
    assert meter.read() == {}
    assert meter.silence is not None
