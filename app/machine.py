"""The name of the processor, and the memory of a process."""

import platform
from pathlib import Path

VECTORS = {
    "avx512_vnni": "AVX-512, VNNI",
    "avx_vnni": "AVX2, VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "asimddp": "NEON, dot products",
}
"""Names of what processors compute in, by the flag that Linux has for it, the best first."""


def resident_bytes(process: int | str = "self") -> int:
    """Return the resident memory of a process, or this process's peak if the system does not report that."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else 1024 * peak


def processor_name(described: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as the system reports it, on Linux with what it computes in, as "AMD EPYC (AVX2)".

    That decides its speed: processors of one name differ by five times (docs/measurements.md).
    """
    name, flags = platform.processor() or platform.machine(), set[str]()
    if described.exists():
        for line in described.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in {"flags", "Features"}:
                flags.update(value.split())
    best = next((called for flag, called in VECTORS.items() if flag in flags), "")
    return f"{name} ({best})" if best else name
