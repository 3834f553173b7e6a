"""The machine: its processor and the number formats that it is fast in, GPUs, memory, disks, the terminal."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from perceptualloss.doctor.findings import Finding, gibibytes
from perceptualloss.memory import free_main_memory

PROCESSOR, DEVICES, MEMORY, TERMINAL = "Processor", "GPUs", "Memory and disk", "Terminal"
CPUINFO = Path("/proc/cpuinfo")
LITTLE_MEMORY, LITTLE_DISK = 2 * 2**30, 2**30  # bytes
_INSTRUCTIONS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_fp16",
    "asimd",
    "bf16",
    "sve",
)


def processor_name() -> str:
    """Return what the processor is called."""
    name = _entry("model name") or platform.processor() or platform.machine()
    return name.replace("(R)", "")


def instructions() -> tuple[str, ...]:
    """Return those of its instruction sets that matter for the speed of networks."""
    known = (_entry("flags") or _entry("Features")).split()
    return tuple(name for name in _INSTRUCTIONS if name in known)


def has_instructions(kind: str) -> bool:
    """Return whether the processor has products in "bf16" or "fp16"; without, they are emulated, many times slower."""
    import torch  # noqa: PLC0415

    probes = {"bf16": ("_is_avx512_bf16_supported", "_is_amx_tile_supported"), "fp16": ("_is_amx_fp16_supported",)}
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes[kind])


def processor() -> Iterator[Finding]:
    """Say what the processor is, how many threads compute, and which number formats it is fast in."""
    import torch  # noqa: PLC0415

    from perceptualloss.training.precision import best_precision  # noqa: PLC0415

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(PROCESSOR, f"{processor_name()}, {cores} cores: {', '.join(instructions()) or 'no AVX2'}")
    threads = torch.get_num_threads()
    few = threads < cores and "OMP_NUM_THREADS" in os.environ  # else PyTorch has a reason, as two threads a core
    remedy = "Unset OMP_NUM_THREADS to compute on all cores." if few else ""
    plural = "" if threads == 1 else "s"
    yield Finding(PROCESSOR, f"PyTorch computes on {threads} thread{plural}", "note" if few else "ok", remedy)
    fast = best_precision("cpu")
    yield Finding(PROCESSOR, "fp32 (32 bits) is fast" if fast == "fp32" else "bf16 is fastest, fp32 works everywhere")
    for kind in ("bf16", "fp16"):
        if kind == fast:
            yield Finding(PROCESSOR, f"{kind} is fast; a training takes it by itself")
        elif has_instructions(kind):
            yield Finding(PROCESSOR, f"{kind} works, and is hardly faster than fp32 or slower", "note")
        else:
            yield Finding(PROCESSOR, f"{kind} is emulated: many times slower than fp32; do not ask for it", "note")


def devices() -> Iterator[Finding]:
    """Say which GPUs PyTorch finds."""
    import torch  # noqa: PLC0415

    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        kinds = "fp32, fp16 and bf16" if bf16 else "fp32 and fp16; bf16 is emulated"
        yield Finding(DEVICES, f"cuda:{number}: {facts.name}, {gibibytes(facts.total_memory)}; fast: {kinds}")
    if torch.backends.mps.is_available():
        yield Finding(DEVICES, "mps: Apple's GPU; fast: fp32 and fp16")
    elif not torch.cuda.device_count():
        driver = Path("/proc/driver/nvidia/version").exists()
        text = "an NVIDIA driver is there, but PyTorch finds no GPU" if driver else "none; everything runs on the CPU"
        remedy = "Install a PyTorch for your driver: its site has a table." if driver else ""
        yield Finding(DEVICES, text, "broken" if driver else "note", remedy)


def memory() -> Iterator[Finding]:
    """Say how much memory and disk is free."""
    free = free_main_memory()
    if free is not None:
        little = free < LITTLE_MEMORY
        remedy = (
            "Close other programs; large pictures are cut into smaller tiles, and crops of 64 train." if little else ""
        )
        yield Finding(MEMORY, f"{gibibytes(free)} of memory is free", "note" if little else "ok", remedy)
    here = Path.cwd()
    left, writable = shutil.disk_usage(here).free, os.access(here, os.W_OK)
    little = left < LITTLE_DISK
    remedy = "Free some disk: a training keeps three checkpoints." if little else ""
    yield Finding(MEMORY, f"{gibibytes(left)} of disk is free in {here}", "note" if little else "ok", remedy)
    if not writable:
        remedy = "Change to a folder of yours, or name one with --out."
        yield Finding(MEMORY, f"nothing can be written into {here}, where runs/ would go", "note", remedy)


def terminal() -> Iterator[Finding]:
    """Say whether the terminal shows bars and letters."""
    encoding = sys.stdout.encoding or "none"
    utf8 = encoding.lower().replace("-", "").startswith("utf8")
    kind = f"a terminal of {shutil.get_terminal_size().columns} columns" if sys.stdout.isatty() else "no terminal"
    remedy = "" if utf8 else "Set PYTHONUTF8=1, so that names of files and arrows are printed as they are."
    yield Finding(TERMINAL, f"{kind}, {encoding}", "ok" if utf8 else "note", remedy)


def _entry(name: str) -> str:
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
