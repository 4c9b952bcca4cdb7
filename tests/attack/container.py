#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root makes subvolumes, which would be in no snapshot and under no limit: the command of ioctl(2) in 32 bits, and with each bit set above those, at which the kernel doesn't look but a filter may.
And it puts a pipe where the platform reads a file, with somebody who waits for it to be opened: as the device node of an image would be, it is looked at and not opened."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

COMMANDS = (0x50009401, 0x5000940e, 0x50009417, 0x50009418)
# Its status: how many of the tries the filter let by (its refusal is EPERM; a file system without subvolumes says ENOTTY).
PROGRAM = """
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	static const unsigned long commands[] = { %s };
	int fd = open("/", O_RDONLY | O_DIRECTORY), tries = 0, passed = 0;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		for (int bit = 31; bit < 64; bit++, tries++) {
			unsigned long high = bit == 31 ? 0 : 1UL << bit;

			passed += !(syscall(SYS_ioctl, fd, commands[i] | high, 0) < 0 && errno == EPERM);
		}
	printf("%%d %%d\\n", passed, tries);
	return fd < 0;
}
""" % ", ".join(hex(c) for c in COMMANDS)


FIFOS = 5
OPENAT = 257 # on x86-64, as the program above


def subvolumes(node, cid):
    program = node.directory / "subvolumes"
    done = subprocess.run(["gcc", "-static", "-O1", "-x", "c", "-", "-o", str(program)], input=PROGRAM, text=True, capture_output=True)
    if done.returncode:
        raise harness.Failure(done.stderr)
    inside = node.root(cid) / "bin" / "subvolumes"
    inside.write_bytes(program.read_bytes())
    inside.chmod(0o755)
    code, out, err = node.ctl("exec", cid, "/bin/subvolumes")
    passed, tries = (int(w) for w in out.split()) if code == 0 else (-1, 0)
    tap.eq((passed, tries), (0, len(COMMANDS) * 33), "no ioctl that makes a subvolume passes the filter, whatever is above its 32 bits")
    tap.figure(f"subvolumes: {passed} of {tries} commands passed the filter {err}".rstrip())


def pipes(node, cid):
    """Its writer goes on only when somebody opens it to read."""
    fooled, fifo = 0, node.root(cid) / "etc" / "environment"
    for i in range(FIFOS):
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        with subprocess.Popen(["sh", "-c", ': >"$1"', "sh", str(fifo)]) as writer:
            host.poll(lambda: pathlib.Path(f"/proc/{writer.pid}/syscall").read_text().startswith(f"{OPENAT} "), 10)
            node.do("env.set", cid, key="LINES", value=str(i))
            try:
                writer.wait(0.5 * harness.SLOW)
                fooled += 1
            except subprocess.TimeoutExpired:
                writer.kill()
    tap.eq(fooled, 0, "a pipe where the environment is read is not opened")
    tap.figure(f"pipes: {fooled} of {FIFOS} were opened by the worker")


def main():
    with harness.Node() as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, name="attacker", image=harness.IMAGE)["state"], "succeeded", "a container runs")
        subvolumes(node, cid)
        pipes(node, cid)


main()
tap.done()
