import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from anylect.errors import ConfigError
from anylect.training.optimizer import (
    build_optimizer,
    build_schedule,
    rate_factor,
    scale_rates,
)
from anylect.training.options import OptimizerOptions


def test_only_matrices_that_learn_decay() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    module[2].requires_grad_(False)
    optimizer = build_optimizer(module, OptimizerOptions(weight_decay=0.1))
    decaying, steady = optimizer.param_groups
    assert [weight.shape for weight in decaying["params"]] == [torch.Size([2, 3])]
    assert decaying["weight_decay"] == 0.1
    assert steady["weight_decay"] == 0.0
    assert len(steady["params"]) == 3


def test_a_model_without_anything_to_learn_is_refused() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ConfigError, match="every weight of the model is frozen"):
        build_optimizer(module, OptimizerOptions())


def test_eight_bit_moments_need_a_card() -> None:
    with pytest.raises(ConfigError, match="`adamw-8bit` and the device `cpu`") as caught:
        build_optimizer(nn.Linear(2, 2), OptimizerOptions(kind="adamw-8bit"))
    assert caught.value.hint == "8-bit moments need a CUDA card; `adamw` runs everywhere"


def test_without_bitsandbytes_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    module = nn.Linear(2, 2)
    # A card is pretended, so that what follows is reached.
    monkeypatch.setattr("anylect.training.optimizer._has_8bit", lambda device: True)
    with pytest.raises(ConfigError, match="needs bitsandbytes") as caught:
        build_optimizer(module, OptimizerOptions(kind="adamw-8bit"))
    assert caught.value.hint == "pip install 'anylect[8bit]'"


@pytest.mark.gpu
def test_eight_bit_moments_come_through_a_state() -> None:
    pytest.importorskip("bitsandbytes")
    module = nn.Linear(256, 256, device="cuda")
    optimizer = build_optimizer(module, OptimizerOptions(kind="adamw-8bit"))
    for _ in range(2):
        module(torch.randn(4, 256, device="cuda")).square().mean().backward()
        optimizer.step()
    state: dict[str, Any] = optimizer.state_dict()["state"][0]
    assert state["state1"].dtype is torch.uint8
    other = build_optimizer(module, OptimizerOptions(kind="adamw-8bit"))
    other.load_state_dict(optimizer.state_dict())
    again = other.state_dict()["state"][0]
    assert torch.equal(again["state1"], state["state1"])


@pytest.mark.parametrize(
    ("options", "factors"),
    [
        ({"warmup_updates": 2}, [0.5, 1.0, 1.0, 0.5]),
        ({"warmup_updates": 0}, [1.0, 0.75, 0.5, 0.25]),
        ({"warmup_share": 0.5, "warmup_updates": 99}, [0.5, 1.0, 1.0, 0.5]),
        ({"warmup_share": 0.26}, [0.5, 1.0, 1.0, 0.5]),
        ({"warmup_share": 0.0}, [1.0, 0.75, 0.5, 0.25]),
        ({"warmup_updates": 2, "schedule": "constant"}, [0.5, 1.0, 1.0, 1.0]),
        ({"warmup_updates": 0, "final_fraction": 0.5}, [1.0, 0.875, 0.75, 0.625]),
    ],
)
def test_the_rate_rises_and_falls_as_asked(options: dict[str, Any], factors: list[float]) -> None:
    built = OptimizerOptions(**options)
    assert [rate_factor(update, built, updates=4) for update in range(4)] == factors


@given(
    share=st.floats(0, 1),
    updates=st.integers(1, 200),
    schedule=st.sampled_from(["linear", "cosine", "constant"]),
)
def test_the_rate_stays_between_nothing_and_the_peak(
    share: float, updates: int, schedule: Any
) -> None:
    options = OptimizerOptions(warmup_share=share, schedule=schedule)
    factors = [rate_factor(update, options, updates=updates) for update in range(updates)]
    assert all(0 < factor <= 1 for factor in factors)


def test_sgd_steps_as_nesterovs_rule_says() -> None:
    options = OptimizerOptions(kind="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.0)
    module = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer(module, options)
    place, velocity = module.weight.item(), 0.0
    for gradient in (1.0, -0.5, 2.0):
        module.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        velocity = 0.9 * velocity + gradient
        place -= 0.1 * (gradient + 0.9 * velocity)
        assert module.weight.item() == pytest.approx(place)


def test_an_annealed_rate_follows_the_epoch_alone() -> None:
    options = OptimizerOptions(
        learning_rate=0.5, schedule="annealed", annealing=2.0, warmup_updates=0
    )
    optimizer = build_optimizer(nn.Linear(1, 1), options)
    epochs = iter((0, 0, 1, 1, 2))
    now = [0]
    schedule = build_schedule(optimizer, options, updates=5, epoch=lambda: now[0])
    rates = []
    for epoch in epochs:
        now[0] = epoch
        scale_rates(schedule, options, scale=0.1)
        rates.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.05, 0.05, 0.025, 0.025, 0.0125])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_rate_stays_where_it_ended_in_updates_nobody_counted_on(schedule: Any) -> None:
    options = OptimizerOptions(warmup_updates=0, schedule=schedule, final_fraction=0.1)
    assert rate_factor(12, options, updates=10) == pytest.approx(0.1)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="`warmup_share` is"):
        OptimizerOptions(warmup_share=share)
