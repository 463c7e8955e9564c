"""A light field for export: folding batch norm changes nothing but the number of operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from effbench.nerf.lightfield.export import exportable, fold_batch_norm
from effbench.nerf.lightfield.network import D60_SR3, NeLFNetwork
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from effbench.scene import Intrinsics
from tests.exported import SHAPE, camera_method
from tests.nerf_scene import CAMERA, ball, look_at_origin

CELLS = 64


def field_between_cells() -> LightField:
    """A light field whose rays lie between occupied cells, of a ball off the centre."""
    z, y, x = np.mgrid[:CELLS, :CELLS, :CELLS] / CELLS - 0.4
    occupied = torch.from_numpy((x**2 + y**2 + z**2 < 0.09).ravel())
    encoder = RayEncoder(SHAPE, ball(), CAMERA, "occupied", occupied)
    return LightField(encoder, camera_method().network)


def test_folding_keeps_the_function_and_the_original() -> None:
    network = camera_method().network
    folded = fold_batch_norm(network)
    rays = torch.randn(2, SHAPE.channels, 3, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(folded(rays), network(rays), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_a_network_in_training_is_folded_with_its_statistics() -> None:
    network = camera_method().network
    network.train()
    folded = fold_batch_norm(network)
    assert network.training
    network.eval()
    rays = torch.randn(1, SHAPE.channels, 3, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(folded(rays), network(rays), atol=1e-5, rtol=1e-4)


def test_occupied_cells_are_the_same_as_bits() -> None:
    field = field_between_cells()
    pose = torch.from_numpy(look_at_origin(0.3))
    with torch.no_grad():
        expected = field(pose[None])[0]
        module = exportable(field).module
        torch.testing.assert_close(module(pose), expected, atol=1e-5, rtol=1e-4)
        assert expected.std() > 0.05
    assert len(field.encoder.occupied) == CELLS**3, "the original is left as it is"


def test_a_file_holds_occupied_cells_as_bits() -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="needs the extra 'export'")
    import onnxruntime

    from effbench.export import to_onnx

    field = field_between_cells()
    data = to_onnx.trace(exportable(field))
    weights = sum(p.numel() for p in field.network.parameters()) * 4
    directions = field.encoder.directions.numel() * 4
    assert len(data) < weights + directions + CELLS**3 / 8 + 60_000, "the graph takes the rest"
    session = onnxruntime.InferenceSession(data)
    pose = look_at_origin(1.3)
    with torch.no_grad():
        expected = field(torch.from_numpy(pose)[None])[0].numpy()
    (image,) = session.run(None, {"pose": pose})
    np.testing.assert_allclose(image, expected, atol=1e-4)


@pytest.mark.slow
def test_d60_sr3_has_the_bytes_of_its_parameters() -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="needs the extra 'export'")
    import onnxruntime

    from effbench.export import macs, quantize, to_onnx

    small = Intrinsics(width=40, height=40, fx=55.0, fy=55.0, cx=20.0, cy=20.0)
    field = LightField(RayEncoder(D60_SR3, ball(), small), NeLFNetwork(D60_SR3).eval())
    data = to_onnx.trace(exportable(field))
    norms = [m for m in field.network.modules() if isinstance(m, nn.BatchNorm2d)]
    folded = 4_305_539 - sum(2 * norm.num_features for norm in norms)
    assert 4 * folded < len(data) < 4 * folded + 200_000
    assert 2 * folded < len(quantize.to_fp16(data)) < 2 * folded + 200_000
    rays, pixels = 5 * 5, [10 * 10, 20 * 20, 40 * 40]
    body = rays * (312 * 256 + 29 * 2 * 256 * 256)
    up = 16 * (rays * 256 * 64 + pixels[0] * 64 * 64 + pixels[1] * 64 * 16)
    blocks = 4 * (pixels[0] * 64 * 64 + pixels[1] * 64 * 64 + pixels[2] * 16 * 16)
    assert macs.count_macs(data) == body + up + blocks + pixels[2] * 16 * 3
    pose = look_at_origin(0.2)
    with torch.no_grad():
        expected = field(torch.from_numpy(pose)[None])[0].numpy()
    (image,) = onnxruntime.InferenceSession(data).run(None, {"pose": pose})
    np.testing.assert_allclose(image, expected, atol=1e-5)
