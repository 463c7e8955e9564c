"""Drawing positions from histograms, one per ray (Mildenhall et al. 2020, §5.2).

Notation: H rays, K bins and M draws on each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.backends import resolve

_FLOOR = 1e-5  # weight that every bin has besides its own, so that no ray is without a distribution


def sample_pdf(edges: Tensor, weights: Tensor, uniform: Tensor, backend: str = "auto") -> Tensor:
    """Draw from the piecewise constant density `weights` [H, K] ≥ 0 over bins `edges` [H, K + 1].

    uniform: [H, M] in [0, 1), ascending, mapped through the inverse distribution; all float32.
    Returns ascending positions [H, M], not differentiable.
    """
    if resolve(backend, edges.device) == "cpu":
        from effbench.kernels.cpu import inverse_cdf as cpu

        drawn = torch.empty(uniform.shape)
        e, w, u = (x.detach().numpy() for x in (edges, weights, uniform))
        cpu.draw(e, w, u, _FLOOR, drawn.numpy())
        return drawn
    return sample_pdf_reference(edges, weights, uniform)


@torch.no_grad()
def sample_pdf_reference(edges: Tensor, weights: Tensor, uniform: Tensor) -> Tensor:
    """The definition in eager torch."""
    weights = weights + _FLOOR
    cdf = torch.cumsum(weights / weights.sum(1, keepdim=True), 1)
    cdf = torch.cat([torch.zeros_like(cdf[:, :1]), cdf], 1)
    above = torch.searchsorted(cdf, uniform.contiguous(), right=True).clamp(1, weights.shape[1])
    low, high = cdf.gather(1, above - 1), cdf.gather(1, above)
    left, right = edges.gather(1, above - 1), edges.gather(1, above)
    return left + (right - left) * ((uniform - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
