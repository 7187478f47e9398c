"""The third rung: the state folder on a file system of 64 MB that fills up and is freed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.ladder.kills import drawn_moment
from tests.ladder.senders import SENDERS
from tests.ladder.site import Fault, Site

SIZE_MIB = 64
_CHUNK = 64 << 10


def why_not() -> str:
    """Empty where a loop device can be mounted, else what is missing."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    tools = [tool for tool in ("mkfs.ext4", "mount", "losetup") if shutil.which(tool) is None]
    if tools:
        return f"apt-get install -y e2fsprogs mount ({', '.join(tools)})"
    if subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode != 0:
        return "no loop device is to be had here"
    return ""


@contextmanager
def small_disk(folder: Path) -> Generator[Path]:
    """An ext4 of 64 MB in a file, mounted below `folder` until the block ends."""
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(SIZE_MIB << 20)
    # No blocks set aside for root, whom the tests run as: full is full.
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
        image.unlink()


def filled(disk: Path, left_bytes: int, for_s: float) -> Fault:
    """Somebody else's file takes all but `left_bytes`, and is gone again after a while."""

    def strike(_: Site) -> None:
        ballast = disk / "ballast"
        try:
            with ballast.open("ab", buffering=0) as file:
                free = os.statvfs(disk)
                with suppress(OSError):  # what the appliance wrote since is not there any more
                    for _ in range(max(0, free.f_bavail * free.f_frsize - left_bytes) // _CHUNK):
                        file.write(bytes(_CHUNK))
            time.sleep(for_s)
        finally:
            ballast.unlink(missing_ok=True)

    return Fault(f"disk full but for {left_bytes >> 10} KiB", strike)


def disk_round(site: Site, disk: Path, number: int) -> None:
    """A head with blood while the disk is full, before it, in the middle or for all of it."""
    dice = site.dice("disk", number)
    head = site.ward(dice).head(blood=True)
    fault = filled(disk, dice.choice((0, 64 << 10, 512 << 10, 2 << 20)), dice.uniform(1.0, 6.0))
    site.play(f"disk {number}", [(dice.choice(SENDERS), head)], [(drawn_moment(dice), fault)])
    site.forget_files([head])
