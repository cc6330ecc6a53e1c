"""test_disk_full.py - a small file system fills up, and has room again.

It is a tmpfs of limited size, with --unsafe-disk: what an fsync means there
does not matter here, that it runs out of space does. Where mounting is
impossible the tests say so and count as passed."""
import contextlib
import hashlib
import os
import subprocess

from cluster import Cluster, expect, wait_until
from harness import skip, test

MIB = 1 << 20
VALUE = 2 * MIB


@contextlib.contextmanager
def small_disk(cluster, number, size):
    """The node's data directory on a file system of `size` bytes."""
    node = cluster.nodes[number]
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "coatcheck-test",
         node.data], capture_output=True, text=True)
    if done.returncode != 0:
        skip(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield node
    finally:
        cluster.stop_all()
        subprocess.run(["umount", node.data], check=False)


def fill(path, leave=0):
    """Take all the space there is but `leave` bytes."""
    chunk = b"\1" * (64 * 1024)
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while True:
            v = os.statvfs(os.path.dirname(path))
            room = v.f_bavail * v.f_frsize - leave
            if room <= 0 or not f.write(chunk[:room]):
                return


def value_of(i):
    """Different for each, and not to be compressed."""
    seed = hashlib.sha256(b"%d" % i).digest()
    return hashlib.shake_128(seed).digest(VALUE)


def set_until_full(c, first, most=200):
    """Write values until one is refused; gives how many were acknowledged."""
    for i in range(first, first + most):
        done = c.cli("--timeout", "30000", "set", f"k{i}", "-",
                     stdin=value_of(i))
        if done.code == 0:
            continue
        expect(done.code == 4 and "disk is nearly full" in done.err,
               f"set k{i}: {done.code} {done.err}")
        return i - first
    raise AssertionError(f"{most} values went into a small disk")


def check(c, keys, when):
    for i in keys:
        expect(c.get(f"k{i}") == value_of(i), f"k{i} is whole {when}")


def set_again(c, what):
    return wait_until(
        lambda: c.cli("set", "again", what).code == 0, 60,
        "sets are taken again when there is room")


@test
def a_full_disk_refuses_sets_and_heals_by_itself():
    """Breaks if a full disk loses what was acknowledged, stops reads and
    deletes, by which it could be emptied, or needs a restart afterwards."""
    with Cluster(nodes=1, groups=2, start=False,
                 options=("--unsafe-disk", "--segment-mib", "32",
                          "--cache-mib", "8",
                          "--disk-reserve-mib", "48")) as c:
        with small_disk(c, 1, 480 * MIB) as node:
            ballast = os.path.join(node.data, "ballast")
            filler = os.path.join(node.data, "filler")
            with open(ballast, "wb") as f:
                f.write(b"\1" * (120 * MIB))
            c.start()
            acked = set_until_full(c, 0)
            expect(acked > 10, f"only {acked} values were taken")
            check(c, range(acked), "on a nearly full disk")
            expect(any("disk is nearly full" in n for n in
                       c.status()["nodes"][0]["notes"]), "status says so")
            # Now there is nothing left at all: reads and deletes go on.
            fill(filler)
            gone = range(0, acked, 4)
            for i in gone:
                done = c.cli("del", f"k{i}")
                expect(done.code == 0, f"del k{i}: {done.code} {done.err}")
            kept = [i for i in range(acked) if i not in gone]
            check(c, kept, "on a full disk")
            expect(c.cli("set", "more", "x").code == 4, "sets are refused")
            expect(node.running(), "the node lives")
            pid = node.process.pid
            os.remove(filler)
            os.remove(ballast)
            set_again(c, "room")
            expect(node.running() and node.process.pid == pid,
                   "without a restart")
            check(c, kept, "after it")
            expect(all(c.get(f"k{i}") is None for i in gone),
                   "deleted stays deleted")
            expect(node.stop() == 0, "stops with 0")
            node.start().wait_ready()
            c.wait_healthy()
            check(c, kept, "after a restart")
            expect(c.get("again") == b"room", "what was set last")


@test
def a_disk_that_is_suddenly_full_heals_by_itself():
    """Breaks if the store does not get over a flush that found no space: the
    reserve is too small to notice in time, as when somebody else fills the
    disk."""
    with Cluster(nodes=1, groups=2, start=False,
                 options=("--unsafe-disk", "--segment-mib", "32",
                          "--cache-mib", "8",
                          "--disk-reserve-mib", "1")) as c:
        with small_disk(c, 1, 480 * MIB) as node:
            filler = os.path.join(node.data, "filler")
            c.start()
            for i in range(10):
                c.set(f"k{i}", value_of(i))
            fill(filler, leave=3 * MIB)
            acked, unknown = list(range(10)), []
            for i in range(10, 40):
                done = c.cli("--timeout", "3000", "set", f"k{i}", "-",
                             stdin=value_of(i))
                if done.code == 0:
                    acked.append(i)
                elif done.code == 5:
                    unknown.append(i)
                else:
                    expect(done.code in (3, 4), f"{done.code} {done.err}")
            expect(len(acked) + len(unknown) < 40, "the disk was full")
            expect(node.running(), f"the node lives: {node.said()[-500:]}")
            pid = node.process.pid
            os.remove(filler)
            set_again(c, "room")
            expect(node.running() and node.process.pid == pid,
                   "without a restart")
            check(c, acked, "after it")
            for i in unknown:
                expect(c.get(f"k{i}") in (None, value_of(i)),
                       f"k{i} is whole or not there")
            node.kill()
            node.start().wait_ready()
            c.wait_healthy()
            check(c, acked, "after a restart")


@test
def a_followers_full_disk_does_not_stop_the_others():
    """Breaks if one full disk of three costs more than that one replica, or
    keeps it out after there is room again."""
    with Cluster(nodes=3, groups=2, start=False,
                 options=("--unsafe-disk", "--segment-mib", "32",
                          "--cache-mib", "8",
                          "--disk-reserve-mib", "1")) as c:
        with small_disk(c, 3, 480 * MIB) as node:
            filler = os.path.join(node.data, "filler")
            c.start()
            fill(filler)
            for i in range(80):
                wait_until(lambda: c.cli("set", f"k{i}", "-",
                                         stdin=value_of(i)).code == 0,
                           30, f"k{i} is taken by the other two")
            expect(node.running(), f"the node lives: {node.said()[-500:]}")
            pid = node.process.pid
            os.remove(filler)
            c.wait_healthy(120)
            expect(node.running() and node.process.pid == pid,
                   "without a restart")
            check(c, range(80), "when all is well again")


@test
def a_start_on_a_full_disk_is_refused_and_harms_nothing():
    """Breaks if a node that cannot write starts, or takes what it cannot open
    for damage: with room again it has to be whole."""
    with Cluster(nodes=1, groups=2, start=False,
                 options=("--unsafe-disk", "--segment-mib", "32",
                          "--cache-mib", "8",
                          "--disk-reserve-mib", "1")) as c:
        with small_disk(c, 1, 400 * MIB) as node:
            filler = os.path.join(node.data, "filler")
            c.start()
            for i in range(5):
                c.set(f"k{i}", value_of(i))
            fill(filler)
            node.kill()
            node.start()
            expect(node.process.wait(60) == 1, "exit code 1")
            last = node.said().strip().splitlines()[-1]
            expect("full" in last or "space" in last,
                   f"the error says what is missing: {last}")
            os.remove(filler)
            node.start().wait_ready()
            c.wait_healthy()
            check(c, range(5), "when there is room")
