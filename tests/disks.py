"""Disks of their own for the tests of faults: small ones, and some whose power is cut. Only root can mount them."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
needs_disk = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not Path("/dev/loop-control").exists(),
    reason="root, mkfs.ext4 and loop devices are needed to make a disk whose power can be cut",
)
# The request of a file system to stop as by a power cut, what it holds in memory lost (FS_IOC_SHUTDOWN of Linux).
STOP, ALL_IS_LOST = 0x8004587D, 2


@contextmanager
def small_disk(folder: Path, size_kb: int):
    """Mount a disk of a size on a folder; give what mounts it again with other options."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "none", str(folder)], check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def disk_without_power(folder: Path, size_mb: int = 200):
    """Mount a disk in a folder; give its place and what cuts its power, ends who works there, and mounts it again."""
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(size_mb * 1_000_000)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    mount = ["mount", "-o", "loop", str(image), str(disk)]

    def cut(end_all: Callable[[], None]) -> None:
        opened = os.open(disk, os.O_RDONLY)
        fcntl.ioctl(opened, STOP, struct.pack("I", ALL_IS_LOST))
        os.close(opened)
        end_all()
        subprocess.run(["umount", str(disk)], check=True)
        subprocess.run(mount, check=True)

    subprocess.run(mount, check=True)
    try:
        yield disk, cut
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
