"""The CUDA driver by ctypes: whether there is a GPU, and memory on it for one trial of a plan."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRIVER = "libcuda.so.1"
_NAME_BYTES = 256
_NVPMODEL_S = 5.0
# CUDA_ERROR_OUT_OF_MEMORY of cuda.h.
_OUT_OF_MEMORY = 2


class CudaFailed(Exception):
    """A call of the driver API did not return CUDA_SUCCESS; `memory`: because there was too little."""

    def __init__(self, function: str, result: int) -> None:
        self.memory = result == _OUT_OF_MEMORY
        why = ": out of memory" if self.memory else ""
        super().__init__(f"{function} of the NVIDIA driver returned {result}{why}")


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a plan is built for; `power_mode` is empty where nvpmodel (Jetson) does not say."""

    name: str
    power_mode: str


@dataclass(frozen=True, slots=True)
class NoGpu:
    """Why there is none."""

    reason: str


def find_gpu(driver: str = _DRIVER) -> Gpu | NoGpu:
    """The first GPU of this machine, asked of the driver alone: TensorRT crashes without one."""
    try:
        cuda = _Driver(driver)
        cuda.call("cuInit", 0)
        count = ctypes.c_int()
        cuda.call("cuDeviceGetCount", ctypes.byref(count))
        if count.value < 1:
            return NoGpu("the NVIDIA driver knows no GPU")
        name = ctypes.create_string_buffer(_NAME_BYTES)
        device = ctypes.c_int()
        cuda.call("cuDeviceGet", ctypes.byref(device), 0)
        cuda.call("cuDeviceGetName", name, _NAME_BYTES, device)
    except OSError:
        return NoGpu(f"there is no NVIDIA driver here ({driver})")
    except CudaFailed as error:
        return NoGpu(str(error))
    return Gpu(name.value.decode(errors="replace"), _power_mode())


class DeviceMemory:
    """Allocations in the primary context of the first GPU, which TensorRT uses too. Raises CudaFailed."""

    def __init__(self) -> None:
        self._cuda = _Driver(_DRIVER)
        self._cuda.call("cuInit", 0)
        device, context, self._stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._cuda.call("cuDeviceGet", ctypes.byref(device), 0)
        self._cuda.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._cuda.call("cuCtxSetCurrent", context)
        self._cuda.call("cuStreamCreate", ctypes.byref(self._stream), 0)

    @property
    def stream(self) -> int:
        return int(self._stream.value or 0)

    def allocate(self, byte_size: int) -> int:
        """The address of new memory; the end of the process frees it."""
        address = ctypes.c_uint64()
        self._cuda.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(byte_size))
        return int(address.value)

    def upload(self, address: int, array: NDArray[Any]) -> None:
        whole = np.ascontiguousarray(array)
        source = ctypes.c_void_p(whole.ctypes.data)
        self._cuda.call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), source, ctypes.c_size_t(whole.nbytes))

    def download(self, address: int, array: NDArray[Any]) -> None:
        """Fills `array`, after all work of the stream is done."""
        self._cuda.call("cuStreamSynchronize", self._stream)
        target = ctypes.c_void_p(array.ctypes.data)
        self._cuda.call("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes))


class _Driver:
    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)

    def call(self, function: str, *arguments: object) -> None:
        result = int(getattr(self._library, function)(*arguments))
        if result != 0:
            raise CudaFailed(function, result)


def _power_mode() -> str:
    """What `nvpmodel -q` calls it; the same Orin is another machine at 15 W."""
    program = shutil.which("nvpmodel")
    if program is None:
        return ""
    try:
        said = subprocess.run(
            [program, "-q"], capture_output=True, text=True, timeout=_NVPMODEL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line for line in said.stdout.splitlines() if "mode" in line.lower()]
    return lines[0].partition(":")[2].strip() if lines else ""
