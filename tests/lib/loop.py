# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems on loop devices, made for one test and gone with it.

    with loop.FileSystem("btrfs", megabytes=512) as fs:
        fs.path                                    # a mounted directory"""
import os
import pathlib
import subprocess
import tempfile

import host

MAKE = {
    "btrfs": ["mkfs.btrfs", "-q", "-f"], "xfs": ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"],
    "ext4": ["mkfs.ext4", "-q", "-F"]
}


def can_mount(kind, options):
    """Does this kernel know it?"""
    try:
        with FileSystem(kind, 512, options):
            return True
    except subprocess.CalledProcessError:
        return False


class FileSystem:
    def __init__(self, kind, megabytes=512, options=""):
        self.kind, self.megabytes, self.options = kind, megabytes, options

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"hoody-t{os.getpid()}-{self.kind}-"))
        self.image, self.path = self.directory / "image", self.directory / "mnt"
        self.path.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(self.megabytes * 1024 * 1024)
        quotas = ["-O", "quota,project", "-E", "quotatype=prjquota"
                  ] if self.kind == "ext4" and "prjquota" in self.options else []
        subprocess.run([*MAKE[self.kind], *quotas, self.image], check=True, capture_output=True)
        # its cleaner wakes with each commit
        options = ["loop"] + [o for o in (self.options, "commit=1" if self.kind == "btrfs" else "") if o]
        try:
            subprocess.run(["mount", "-o", ",".join(options), self.image, self.path], check=True, capture_output=True)
        except subprocess.CalledProcessError:
            self.clear()
            raise
        self.pool = self.path / "pool"
        self.pool.mkdir(mode=0o711)
        return self

    def __exit__(self, kind, value, trace):
        host.poll(self.umount, 10, 0.1) # namespaces of who has ended, and loop devices, are let go of later
        if self.path.is_mount():
            subprocess.run(["umount", self.path], check=True)
        self.clear()

    def umount(self):
        return subprocess.run(["umount", self.path], capture_output=True).returncode == 0

    def clear(self):
        self.image.unlink()
        self.path.rmdir()
        self.directory.rmdir()

    def free(self, reserve=False):
        """Bytes, when all that was deleted is really gone; with what root alone may use."""
        if self.kind == "btrfs":
            subprocess.run(["btrfs", "subvolume", "sync", self.path], check=True, capture_output=True)
        os.sync()
        st = os.statvfs(self.path)
        return (st.f_bfree if reserve else st.f_bavail) * st.f_frsize
