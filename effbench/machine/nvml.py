"""What an NVIDIA GPU's driver says of it through NVML: identity, clocks, power, energy used.

NVML numbers the machine's GPUs in an order of its own and knows nothing of CUDA_VISIBLE_DEVICES:
a GPU is found by its UUID. All functions take the `pynvml` module as an argument, for tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Gpu:
    """One GPU as NVML sees it. What this GPU or driver does not report is None, never a guess."""

    def __init__(self, library: ModuleType | Any, handle: Any) -> None:
        self._library, self._handle = library, handle

    def energy_j(self) -> float | None:
        """Return the joules used since the driver was loaded (Volta and newer; 1 mJ steps)."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def facts(self) -> dict[str, Any]:
        """Return what stays the same during a run: clocks in MHz, power in W, memory in 1e6 B."""
        library = self._library
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return {
            "name": self._ask("nvmlDeviceGetName"),
            "uuid": self._ask("nvmlDeviceGetUUID"),
            "driver": _attempt(library, library.nvmlSystemGetDriverVersion),
            "memory_mb": None if memory is None else round(memory.total / 1e6),
            "power_limit_w": _thousandth(self._ask("nvmlDeviceGetEnforcedPowerLimit")),
            "sm_clock_max_mhz": self._ask("nvmlDeviceGetMaxClockInfo", library.NVML_CLOCK_SM),
            "memory_clock_max_mhz": self._ask("nvmlDeviceGetMaxClockInfo", library.NVML_CLOCK_MEM),
        }

    def load(self) -> dict[str, Any]:
        """Return what it does now: clocks in MHz, power in W, temperature in °C."""
        library = self._library
        sensor = library.NVML_TEMPERATURE_GPU
        return {
            "sm_clock_mhz": self._ask("nvmlDeviceGetClockInfo", library.NVML_CLOCK_SM),
            "memory_clock_mhz": self._ask("nvmlDeviceGetClockInfo", library.NVML_CLOCK_MEM),
            "power_w": _thousandth(self._ask("nvmlDeviceGetPowerUsage")),
            "temperature_c": self._ask("nvmlDeviceGetTemperature", sensor),
        }

    def utilisation(self) -> float | None:
        """Return the part of the driver's last sample (1/6 to 1 s) in which a kernel ran."""
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return None if rates is None else rates.gpu / 100

    def _ask(self, function: str, *arguments: Any) -> Any:
        call = getattr(self._library, function)
        return _attempt(self._library, lambda: call(self._handle, *arguments))


def find(
    device: torch.device, library: ModuleType | Any = None, uuid: str | None = None
) -> tuple[Gpu | None, str]:
    """Return the GPU behind a CUDA device, or None and the reason why NVML cannot be asked.

    library: `pynvml`, imported unless given; uuid: the device's, asked of CUDA unless given.
    """
    if device.type != "cuda":
        return None, "NVML measures NVIDIA GPUs only"
    try:
        library = library or importlib.import_module("pynvml")
    except ImportError:
        return None, "pynvml cannot be imported: pip install nvidia-ml-py"
    try:
        library.nvmlInit()
        return Gpu(library, _handle(library, uuid or device_uuid(device))), ""
    except library.NVMLError as error:
        return None, f"NVML: {error}"


def device_uuid(device: torch.device) -> str:
    """Return the UUID of a CUDA device as NVML and nvidia-smi write it, "GPU-…"."""
    import torch

    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def _handle(library: ModuleType | Any, uuid: str) -> Any:
    try:
        return library.nvmlDeviceGetHandleByUUID(uuid)
    except library.NVMLError:
        # CUDA gives the number of a slice of a GPU (MIG) without saying that it is one
        return library.nvmlDeviceGetHandleByUUID(uuid.replace("GPU-", "MIG-", 1))


def _attempt(library: ModuleType | Any, call: Callable[[], Any]) -> Any:
    """Return what `call` returns, text as str, or None where the driver does not support it."""
    try:
        value = call()
    except library.NVMLError:
        return None
    return value.decode() if isinstance(value, bytes) else value


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1e3
