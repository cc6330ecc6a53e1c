"""test_machines.py - disks that refuse and clocks that jump, of real daemons:
strace injects errors into system calls, libfaketime moves the clock."""
import glob
import os
import shutil
import subprocess

from cluster import Cluster, Hammer, Skipped, expect, wait_until
from harness import test
from recorder import Recorder

MANY = 10**8


def inject(node, call, error):
    """From now on this system call of the daemon fails. A context manager."""
    if not shutil.which("strace"):
        raise Skipped("strace is not installed")
    log = os.path.join(node.folder, "strace")
    # Without -o it would write a line per call into the daemon's own log.
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", log, "-p", str(node.process.pid), "-e",
         f"trace={call}", "-e", f"inject={call}:error={error}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)

    def hit():
        if process.poll() is not None and node.running():
            raise Skipped("strace cannot attach: " +
                          process.stderr.read().strip()[-200:])
        return os.path.exists(log) and "INJECTED" in open(log).read()
    wait_until(hit, 60, f"{call} fails with {error}")
    return process


@test
def a_failed_sync_of_the_log_ends_the_node_and_loses_nothing():
    """Breaks if the daemon tries again after a failed fdatasync: the kernel
    has marked the pages clean, and the next sync would lie."""
    with Cluster(groups=2) as c, Recorder(c) as r:
        hammer = Hammer(c, keys=MANY, concurrency=8)
        for error in ("EIO", "ENOSPC"):
            r.wait_more(lines=100)
            victim = c.nodes[c.wait_leader(1)]
            strace = inject(victim, "fdatasync", error)
            wait_until(lambda: not victim.running(), 30,
                       "the node ends itself")
            strace.wait(60)
            expect(victim.process.returncode not in (0, -11, -6),
                   f"it ended with {victim.process.returncode}")
            expect("log_write_failed" in victim.said(),
                   "its log does not say why: " + victim.said()[-300:])
            r.wait_more(lines=100)
            victim.start().wait_ready()
            c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


@test
def a_failed_write_of_the_log_ends_the_node_and_loses_nothing():
    """Breaks if a short or refused write is taken for a whole one."""
    with Cluster(groups=2) as c, Recorder(c) as r:
        r.wait_more(lines=100)
        victim = c.nodes[c.wait_leader(1)]
        strace = inject(victim, "pwrite64", "EIO")
        wait_until(lambda: not victim.running(), 30, "the node ends itself")
        strace.wait(60)
        r.wait_more(lines=100)
        victim.start().wait_ready()
        c.wait_healthy()


def faketime_library():
    for path in glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"):
        return path
    raise Skipped("libfaketime is not installed")


def set_clock(node, text):
    """The daemon's wall clock from now on: "+0", "+365d", "-5"."""
    path = os.path.join(node.folder, "clock")
    with open(path + ".new", "w") as f:
        f.write(text + "\n")
    os.rename(path + ".new", path)


def with_own_clocks(c):
    """Nodes that are started from now on look at a clock of their own; their
    monotonic clock stays the machine's."""
    library = faketime_library()
    for node in c.nodes.values():
        # The usual daemon's allocator and libfaketime cannot both be first.
        node.daemon = "coatcheckd_failpoints"
        set_clock(node, "+0")
        node.environment = {
            "LD_PRELOAD": library, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": os.path.join(node.folder, "clock"),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@test
def histories_with_jumping_clocks_are_linearizable():
    """Breaks if anything but expiry looks at the wall clock: elections, read
    rounds, deadlines; or if one node's clock moves the group's."""
    c = Cluster(groups=2, start=False)
    with c:
        with_own_clocks(c)
        c.start()
        with Recorder(c) as r:
            for jumps in (("+365d", "+0", "+0"), ("-5", "+5", "+0"),
                          ("+0", "-10d", "+1h"), ("+3", "-3", "+365d")):
                r.wait_more()
                for node, jump in zip(c.nodes.values(), jumps):
                    set_clock(node, jump)
            r.wait_more()
            victim = c.nodes[c.wait_leader(1)]
            victim.kill()
            r.wait_more(lines=100)
            victim.start().wait_ready()
            c.wait_healthy()
