"""A stand-in for the `pynvml` module: one GPU whose counters a test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

UUID = "GPU-0000"


class NVMLError(Exception):
    pass


@dataclass
class FakeNvml:
    """What the driver answers; a function named in `unsupported` raises NVMLError."""

    uuid: str = UUID
    millijoules: int = 0
    unsupported: set[str] = field(default_factory=set)
    sm_clock: int = 1980
    NVMLError: type[Exception] = NVMLError
    NVML_CLOCK_SM: int = 1
    NVML_CLOCK_MEM: int = 2
    NVML_TEMPERATURE_GPU: int = 0

    def _answer(self, function: str, value: Any) -> Any:
        if function in self.unsupported:
            raise NVMLError("Not Supported")
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        self._answer("nvmlInit", None)

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"580.1"  # older bindings give bytes

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != self.uuid:
            raise NVMLError("Not Found")
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        value: int = self._answer("nvmlDeviceGetTotalEnergyConsumption", self.millijoules)
        return value

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return "Fake GPU"

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return self.uuid

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:  # noqa: N802
        return SimpleNamespace(total=24_000_000_000)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:  # noqa: N802
        return 700_000

    def nvmlDeviceGetMaxClockInfo(self, handle: str, clock: int) -> int:  # noqa: N802
        return {1: 1980, 2: 3201}[clock]

    def nvmlDeviceGetClockInfo(self, handle: str, clock: int) -> int:  # noqa: N802
        return {1: self.sm_clock, 2: 3201}[clock]

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetPowerUsage", 412_500))

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:  # noqa: N802
        return self._answer("nvmlDeviceGetUtilizationRates", SimpleNamespace(gpu=75, memory=40))

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        return 61
