"""Hash tables in fewer bits: rounding, scales by level, and the choice of the range."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.compression.table_quantization import quantize_table

LAYOUT = HashLayout(levels=2, log2_table=8, base=4, finest=8)


def table(seed: int = 0) -> torch.Tensor:
    """Entries whose size differs between levels and features, as trained ones do."""
    generator = torch.Generator().manual_seed(seed)
    entries = torch.randn(LAYOUT.rows, 2, generator=generator)
    entries[: int(LAYOUT.offsets[1])] *= 100
    return entries * torch.tensor([1.0, 0.01])


def test_int8_rounds_to_the_nearest_step_of_its_level_and_feature() -> None:
    exact = table()
    quantized = quantize_table(exact, LAYOUT, "int8", clip="max")
    assert quantized.values.dtype == torch.int8
    assert quantized.scales is not None
    restored = quantized.dequantized(LAYOUT)
    for level in range(2):
        rows = slice(int(LAYOUT.offsets[level]), int(LAYOUT.offsets[level + 1]))
        largest = exact[rows].abs().amax(0)
        torch.testing.assert_close(quantized.scales[level], largest / 127)
        error = (restored[rows] - exact[rows]).abs().amax(0)
        assert (error <= quantized.scales[level] * 0.5001).all()


@given(seed=st.integers(0, 100))
def test_the_least_squared_error_is_at_most_that_of_the_whole_range(seed: int) -> None:
    exact = table(seed)

    def error(clip: str) -> float:
        quantized = quantize_table(exact, LAYOUT, "int8", clip)  # type: ignore[arg-type]
        return float((quantized.dequantized(LAYOUT) - exact).square().sum())

    assert error("mse") <= error("max")


def test_an_outlier_is_cut_for_a_finer_grid_under_the_rest() -> None:
    layout = HashLayout(levels=1, log2_table=19, base=64, finest=64)
    exact = 0.05 * torch.randn(layout.rows, 2, generator=torch.Generator().manual_seed(0))
    exact[0] = 1.0
    quantized = quantize_table(exact, layout, "int8")
    assert quantized.scales is not None
    assert quantized.scales[0, 0] < 0.9 / 127
    assert quantized.values[0, 0] == 127


def test_half_floats_need_no_scales() -> None:
    exact = table()
    quantized = quantize_table(exact, LAYOUT, "fp16")
    assert quantized.scales is None
    assert quantized.values.dtype == torch.float16
    torch.testing.assert_close(quantized.dequantized(LAYOUT), exact, rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize("clip", ["mse", "max"])
def test_an_empty_table_stays_empty(clip: str) -> None:
    empty = torch.zeros(LAYOUT.rows, 2)
    quantized = quantize_table(empty, LAYOUT, "int8", clip)  # type: ignore[arg-type]
    assert torch.equal(quantized.dequantized(LAYOUT), empty)
