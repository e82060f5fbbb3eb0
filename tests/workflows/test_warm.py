from typing import Any

from click.testing import CliRunner

from anylect.cli.main import commands
from anylect.decoding import beam_kernels

KERNELS: tuple[Any, ...] = (beam_kernels.hear, beam_kernels.finish)


def test_warm_leaves_no_kernel_of_a_search_to_be_compiled() -> None:
    found = CliRunner().invoke(commands, ["warm"])
    assert found.exit_code == 0, found.output
    assert "kernels ready after" in found.output
    assert all(kernel.signatures for kernel in KERNELS)
