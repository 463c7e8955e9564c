"""Networks of a field as torch.compile makes them, made before training begins."""

from __future__ import annotations

import torch

from effbench.errors import ConfigError
from effbench.nerf.fields.field import RadianceField

_ROWS = (300, 700)  # two sizes: a field's networks are compiled for any


def compile_networks(field: RadianceField) -> None:
    """Let torch.compile join the layers of a field's networks, with and without a gradient, now.

    Raises ConfigError where it cannot, such as for want of a compiler.
    """
    field.compile_networks()
    try:
        for rows in _ROWS:
            _use(field, rows)
    except ConfigError:
        raise
    except Exception as error:  # of any kind: the compilers of three languages take part
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"compile=true: torch.compile failed: {lines[0]}. It needs a C++ compiler (g++) on a "
            "CPU, Triton and a C compiler on a GPU, and the headers of Python: install them, or "
            "use compile=false"
        ) from error
    field.zero_grad(set_to_none=True)


def _use(field: RadianceField, rows: int) -> None:
    """Evaluate a field at some points, with a gradient and without."""
    device = next(field.parameters()).device
    line = torch.linspace(0, 1, rows, device=device)
    positions = line[:, None].expand(rows, 3).contiguous()
    ahead = torch.tensor([[0.0, 0.0, 1.0]], device=device).expand(rows, 3).contiguous()
    for wanted in (True, False):
        with torch.set_grad_enabled(wanted):
            density, geometry = field.density(field.encode(positions))
            color = field.color(geometry, field.encode_directions(ahead))
            if wanted:
                (density.sum() + color.sum()).backward()  # type: ignore[no-untyped-call]
