#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoodyctl exec and console: pipes and a real terminal, sizes, signals and exit codes; what a session may see of the
host; and what becomes of it when the agent, hoodyctl or the container goes."""
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap


class Terminal:
    """hoodyctl on a terminal of 24 × 80."""

    def __init__(self, node, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt220"
            os.execv(harness.BUILD / "agent/hoodyctl",
                     ["hoodyctl", "--config", str(node.directory / "agent.conf"), *args])
        self.shown = ""

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, words, timeout_s=10):
        """Read on; True when the words have been shown since the last call."""
        end = time.monotonic() + timeout_s * harness.SLOW
        while words not in self.shown and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        found, self.last = words in self.shown, self.shown
        self.shown = self.shown.split(words, 1)[1] if found else self.shown
        return found

    def end(self):
        self.until("\0never", 0.5)
        if not host.poll(lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), 10):
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def run(node, *args, **options):
    command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", *args]
    got = subprocess.run(command, capture_output=True, timeout=60 * harness.SLOW, check=False, **options)
    return got.returncode, got.stdout, got.stderr


def pipes(node):
    tap.eq(run(node, "exec", "web", "echo", "-n", "a  b"), (0, b"a  b", b""), "a command's words arrive as they are")
    tap.eq(run(node, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"), (7, b"out\n", b"err\n"),
           "its output, its errors and its exit code")
    tap.eq(run(node, "exec", "web", "sh", "-c", "kill -TERM $$")[0], 128 + signal.SIGTERM, "128 + n for signal n")
    tap.eq(run(node, "exec", "web", "no-such")[0], 127, "127: there is no such command")
    tap.eq(run(node, "exec", "web", "/etc")[0], 126, "126: it can't be executed")
    blob = os.urandom(3_000_000)
    tap.ok(run(node, "exec", "web", "cat", input=blob) == (0, blob, b""), "3 MB there and back, unharmed")
    tap.eq(run(node, "exec", "web", "sh", "-c", "sleep 30 & echo on"), (0, b"on\n", b""),
           "what stays in the background holds nobody")
    piped = subprocess.run(
        f"timeout 20 {harness.BUILD / 'agent/hoodyctl'} --config {node.directory / 'agent.conf'} exec web yes | head "
        f"-n 1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True)
    tap.eq(piped.stdout.split(), ["y", str(128 + signal.SIGPIPE)],
           "a reader that has had enough ends the command by SIGPIPE")
    tap.eq(run(node, "exec", "web", input=b"echo $((6*7))\n")[:2], (0, b"42\n"), "without a command: a shell")
    left = subprocess.Popen(["nohup", harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf",
                             "exec", "web", "sh", "-c", "echo on; sleep 1; echo done"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    first = left.stdout.readline()
    left.send_signal(signal.SIGHUP)
    tap.eq((first, left.communicate()[0], left.returncode), ("on\n", "done\n", 0), "nohup(1) keeps one from a hang-up")
    tap.eq((run(node, "exec", "nobody", "id")[0], run(node, "exec")[0]), (1, 2),
           "no such container, no container: refused")


def closed(node):
    """Whoever starts hoodyctl has closed what it should read or write."""
    place = node.directory / "closed"
    place.mkdir()
    command = f"{harness.BUILD / 'agent/hoodyctl'} --config {node.directory / 'agent.conf'}"
    for words, code, out in (("exec web cat <&-", 0, ""), ("exec web echo hi <&-", 0, "hi\n"),
                             ("exec web sh -c 'exit 5' >&-", 5, ""), ("exec web sh -c 'exit 6' <&- >&- 2>&-", 6, ""),
                             ("cp web:/etc/passwd one >&-", 0, ""), ("cp web:/etc/passwd two <&- >&- 2>&-", 0, ""),
                             ("container list >&-", 1, "")):
        done = subprocess.run(["timeout", str(20 * harness.SLOW), "bash", "-c", f"exec {command} {words}"], cwd=place,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        tap.eq((done.returncode, done.stdout), (code, out), f"hoodyctl {words}")
    long = "n" * 250
    (place / long).write_text("long")
    code = run(node, "cp", place / long, "web:/tmp/")[0]
    tap.eq((code, run(node, "exec", "web", "cat", f"/tmp/{long}")[1]), (0, b"long"),
           "a name may be as long as names can be")
    (place / long).unlink()
    passwd = run(node, "exec", "web", "cat", "/etc/passwd")[1]
    tap.eq({p.name: p.read_bytes() for p in place.iterdir()}, {"one": passwd, "two": passwd}, "and copies are whole")


def full(node):
    """There is no room on this side for what comes."""
    run(node, "exec", "web", "sh", "-c", "dd if=/dev/zero of=/much bs=1M count=4 2>/dev/null")
    with open("/dev/full", "wb") as out:
        done = subprocess.run([harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec",
                               "web", "cat", "/much"], stdout=out, stderr=subprocess.PIPE, text=True,
                              timeout=60 * harness.SLOW)
    tap.ok(done.returncode == 1 and "No space left" in done.stderr, "a full disk is said of an output", done)
    place = node.directory / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], check=True)
    code, _, err = run(node, "cp", "web:/much", place / "copy")
    tap.ok(code == 1 and b"No space left" in err and not list(place.iterdir()), "and of a copy", code, err)
    subprocess.run(["umount", place], check=True)
    run(node, "exec", "web", "rm", "/much")


def unread(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def ends_with(process):
    """Its exit code, None when it has to be killed."""
    try:
        return process.wait(10 * harness.SLOW)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def slow(node):
    """Who reads the output takes its time."""
    command = f"{harness.BUILD / 'agent/hoodyctl'} --config {node.directory / 'agent.conf'} exec web"
    for size in (70, 100, 150):
        done = subprocess.run(["bash", "-c", f"{command} dd if=/dev/zero bs=1000 count={size} | (sleep 1; wc -c)"],
                              capture_output=True, text=True, timeout=60 * harness.SLOW)
        tap.eq(int(done.stdout), 1000 * size, f"{size} kB reach a reader that begins when the command has ended")
    for words, what in ((("yes", ), "goes on"), (("dd", "if=/dev/zero", "bs=1000", "count=150"), "has ended")):
        held = subprocess.Popen([*command.split(), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        host.poll(lambda: unread(held.stdout) > 32768, 10)
        time.sleep(0.5) # for the rest, and the command's end
        held.send_signal(signal.SIGTERM)
        tap.eq(ends_with(held), 1, f"nobody reads: SIGTERM ends hoodyctl while its command {what}")
    endless = subprocess.Popen([*command.split(), "sh", "-c", "yes & sleep 0.5; exit 3"], stdout=subprocess.PIPE)
    end = time.monotonic() + 10 * harness.SLOW
    while endless.poll() is None and time.monotonic() < end:
        os.read(endless.stdout.fileno(), 4096)
        time.sleep(0.002)
    tap.eq(ends_with(endless), 3, "what writes on in the background, faster than it is read, holds nobody")


def copies(node):
    """A copy out that is ended before it is done leaves nothing behind."""
    run(node, "exec", "web", "sh", "-c", "mkdir -p /much/of; dd if=/dev/zero of=/much/of/it bs=64M count=8 2>/dev/null")
    place = node.directory / "copies"
    place.mkdir()
    for what, is_directory in (("/much/of/it", False), ("/much/", True), ("/much", True)):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            copy = subprocess.Popen([harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "cp",
                                     f"web:{what}", place / "copy"], stderr=subprocess.DEVNULL,
                                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            begun = host.poll(lambda: [p for p in place.iterdir() if p.is_dir() == is_directory], 10, 0.01)
            copy.send_signal(sig)
            code = copy.wait(20 * harness.SLOW)
            tap.eq((bool(begun), code in (1, -sig), list(place.iterdir())), (True, True, []),
                   f"cp of {what} that is ended by {sig.name} leaves nothing")
            for left in place.iterdir():
                subprocess.run(["rm", "-rf", left], check=True)
    run(node, "exec", "web", "rm", "-r", "/much")


def unreadable(node):
    """A directory that can't be read to its end makes no copy."""
    place = node.directory / "unreadable"
    (place / "from").mkdir(parents=True)
    (place / "from/file").write_text("file")
    for what, to in ((place / "from", "web:/tmp/to"), ("web:/etc/", place / "to")):
        for nth in ("1", "2"):
            got = subprocess.run([
                harness.BUILD / "tests/tools/failnth", "getdents64", nth, "EIO", "--", harness.BUILD / "agent/hoodyctl",
                "--config", node.directory / "agent.conf", "cp", what, to
            ], capture_output=True, timeout=60 * harness.SLOW, check=False)
            there = [p.name for p in place.iterdir()] + run(node, "exec", "web", "ls", "/tmp")[1].decode().split()
            tap.ok(got.returncode == 1 and b"Input/output error" in got.stderr and "to" not in there,
                   f"cp of {what}, whose names are cut off in part {nth}, says so and leaves nothing", got, there)


def confinement(node, cid):
    look = "grep -E 'Seccomp:|CapBnd' /proc/{}/status"
    script = f"cat /proc/self/uid_map; echo; ls /proc/self/fd; echo; env; echo; {look.format('self')}; {look.format(1)}"
    out = run(node, "exec", "web", "sh", "-c", script)[1].decode()
    uids, fds, env, status = out.split("\n\n")
    tap.ok(uids.split()[0] == "0" and uids.split()[1] != "0", "in the container's user namespace", uids)
    tap.eq(fds.split()[:3] + [len(fds.split())], ["0", "1", "2", 4], "no descriptor but the three (and ls's own)")
    tap.eq(sorted(v.split("=")[0] for v in env.split()), [
        "HOME", "HOODY_CONTAINER_ID", "HOODY_NODE", "HOODY_PROJECT_ID", "PATH", "PWD", "SHLVL", "TERM", "USER",
        "container"
    ], "an environment of its own")
    lines = status.strip().split("\n")
    tap.eq(lines[:2], lines[2:], "init's seccomp policy and bounding set")
    holder = subprocess.Popen(
        [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "web", "sleep", "4711"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = lambda: [
        p for p in host.pids_of(node.prefix, cid, "payload")
        if host.status(p).get("Name") == "sleep" and b"4711" in pathlib.Path(f"/proc/{p}/cmdline").read_bytes()
    ]
    tap.ok(host.poll(found, 5), "it is in the container's own groups")
    holder.send_signal(signal.SIGTERM)
    # by itself, if it had begun to carry its streams
    tap.ok(holder.wait() in (1, -signal.SIGTERM), "hoodyctl is ended", holder.returncode)
    tap.ok(host.poll(lambda: not found(), 5), "and its command is told by SIGHUP")


def terminal(node):
    t = Terminal(node, "exec", "web", "sh")
    tap.ok(t.until("#"), "a shell shows its prompt", t.shown)
    t.type("tty; echo $TERM\n")
    tap.ok(t.until("/dev/pts/") and t.until("vt220"), "a terminal with a name, and the caller's TERM", t.shown)
    t.size(33, 101)
    t.type("sleep 0.2; stty size\n")
    tap.ok(t.until("33 101"), "the window's new size arrives", t.shown)
    t.type("sleep 60\n")
    host.poll(lambda: [p for p in host.pids_of(node.prefix) if b"sleep\0" + b"60" in host.command(p)], 10)
    t.type("\x03echo int=$?\n")
    tap.ok(t.until("int=130"), "Ctrl-C ends the command in it, not the session", t.shown)
    before = termios.tcgetattr(t.fd)[3]
    t.type("exit 9\n")
    tap.eq(t.end(), 9, "its exit code")
    tap.ok(not before & termios.ICANON, "raw while it lasted")
    t = Terminal(node, "exec", "-T", "web", "tty")
    tap.ok(t.until("not a tty"), "-T: pipes all the same", t.shown)
    t.end()


def ends(node, cid):
    t = Terminal(node, "exec", "web", "sh")
    t.until("#")
    node.kill9("agent")
    t.type("echo still $((40+2))\n")
    tap.ok(t.until("still 42"), "a session outlives the agent", t.shown)
    node.start_agent()
    t.type("exit 3\n")
    tap.eq(t.end(), 3, "with its exit code")
    t = Terminal(node, "exec", "web", "sh")
    t.until("#")
    os.kill(t.pid, signal.SIGKILL)
    t.end()
    shells = lambda: [p for p in host.pids_of(node.prefix, cid, "payload") if host.status(p).get("Name") == "sh"]
    tap.ok(host.poll(lambda: not shells(), 5), "a killed hoodyctl hangs its terminal up", shells())
    t, slow = Terminal(node, "exec", "web", "sh"), Terminal(node, "console", "web")
    t.until("#")
    tap.ok(slow.until("Ctrl-] leaves"), "the console says how to leave it, once it is there")
    tap.eq(run(node, "console", "web", stdin=subprocess.DEVNULL)[0], 1, "the console is one person's at a time")
    slow.type("\x1d")
    tap.eq(slow.end(), 0, "Ctrl-] leaves it")
    slow = Terminal(node, "console", "web")
    slow.until("leaves")
    tap.eq(node.do("container.stop", cid)["state"], "succeeded", "sessions don't hold a stop up")
    tap.eq((t.end(), slow.end()), (128 + signal.SIGKILL, 0), "and end with it")
    for status, leave in (("stopped", "container.start"), ("paused", "container.resume")):
        for command in (("exec", "web", "id"), ("console", "web"), ("cp", "web:/etc/passwd", "-")):
            code, _, said = run(node, *command, stdin=subprocess.DEVNULL)
            tap.ok(code == 1 and f"while the container is {status}" in said.decode(),
                   f"{command[0]}: there is none in a {status} container, and that is why", said)
        tap.eq(node.do(leave, cid)["state"], "succeeded", "and again one that runs")
        if status == "stopped":
            tap.eq(node.do("container.pause", cid)["state"], "succeeded", "which is paused")


def meanwhile(node, cid):
    """Sessions that begin while the container is killed: whichever step finds it gone, that is no fault."""
    said, over = [], threading.Event()

    def again():
        while not over.is_set():
            said.append(node.ctl("exec", "-T", "web", "--", "true"))

    for _ in range(6):
        over.clear()
        threads, begun = [threading.Thread(target=again) for _ in range(3)], len(said)
        for t in threads:
            t.start()
        host.poll(lambda: len(said) >= begun + 3, 10)
        node.do("container.force-stop", cid)
        over.set()
        for t in threads:
            t.join()
        node.do("container.start", cid)
    wrong = [s for s in said if s[2] and "OPERATION_STATE_CONFLICT" not in s[2] and "cut off" not in s[2]]
    tap.ok(not wrong, f"of {len(said)} sessions some find that it doesn't run, and none a fault", *wrong[:3])


def hostile(node, cid):
    init = host.init_of(node.prefix, cid)
    for name, trick in (
        ("a link",
         "umount /dev/ptmx /dev/pts 2>/dev/null; umount -l /dev/pts; rmdir /dev/pts; mkdir -p /tmp/pts; ln -s "
         "/proc/1/root/dev /dev/pts"
         ), ("a fifo", "rm -f /dev/pts; mkdir /dev/pts; mkfifo /dev/pts/ptmx")):
        run(node, "exec", "-T", "web", "sh", "-c", trick)
        t = Terminal(node, "exec", "web", "sh")
        tap.ok(t.until("gives no terminal"), f"{name} in place of the container's devpts leads nowhere", t.last)
        tap.eq(t.end(), 1, "and says so")
    tap.ok(host.init_of(node.prefix, cid) == init, "the container runs on")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="web")["state"], "succeeded", "a container runs")
        pipes(node)
        closed(node)
        full(node)
        slow(node)
        copies(node)
        unreadable(node)
        confinement(node, cid)
        terminal(node)
        ends(node, cid)
        meanwhile(node, cid)
        hostile(node, cid)
        tap.ok("opens a session" in node.log_tail(400), "the log names who opened them")
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.leaks(), [], "nothing is left")
        tap.eq(node.sanitizer_words(), [], "no sanitizer speaks")
    tap.done()


main()
