"""test_damage.py - damaged, lost and foreign data."""
import glob
import os
import shutil
import struct

from cluster import Cluster, Hammer, expect, wait_until
from harness import test
from wire import Connection, crc32c


def flip_byte_in_log(node):
    """Change one byte of a value in the middle of the node's log: (file name,
    offset). Batches are padded with zeros, where a change would mean nothing,
    so the place is found by what hammer writes: inside that very word."""
    places = []
    for path in sorted(glob.glob(os.path.join(node.data, "wal", "*"))):
        with open(path, "rb") as f:
            data = f.read()
        at = data.find(b" attempt ")
        while at >= 0:
            places.append((path, at + 2))
            at = data.find(b" attempt ", at + 1)
    expect(len(places) > 1000, f"only {len(places)} values are in the log")
    path, at = places[len(places) // 2]
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x40]))
    return os.path.basename(path), at


def follower_of_all(c):
    """A node that leads as few groups as possible."""
    leads = {n: 0 for n in c.nodes}
    for (_, node), r in c.replicas_seen().items():
        leads[node] += r["role"] == "leader"
    return min(leads, key=leads.get)


@test
def damage_in_the_middle_of_a_followers_log_costs_no_data():
    """Breaks if recovery takes damage for a torn tail and cuts what was
    acknowledged, or replays the damaged bytes."""
    with Cluster() as c:
        hammer = Hammer(c, keys=30_000)
        hammer.wait()
        victim = c.nodes[follower_of_all(c)]
        victim.kill()
        name, at = flip_byte_in_log(victim)
        victim.start().wait_ready()
        words = victim.said()
        expect("damage" in words or "quarantine" in words,
               f"the log says nothing of the damage in {name} at {at}")

        def settled():
            roles = {r["role"] for (_, n), r in c.replicas_seen().items()
                     if n == victim.number}
            return roles and not roles & {"candidate"}
        wait_until(settled, 30, "the damaged node says what it has")
        for n in c.nodes:
            hammer.verify(endpoint=n)
        # And the damaged node is not needed for a majority's agreement.
        more = Hammer(c, keys=5000, first=10_000_000, name="more")
        more.wait()
        more.verify()


@test
def the_majority_is_never_made_of_damaged_replicas():
    """Breaks if a quarantined replica votes or acknowledges: with one healthy
    node gone, its groups must wait instead of losing what it lacks."""
    with Cluster(groups=1) as c:
        hammer = Hammer(c, keys=30_000)
        hammer.wait()
        victim = c.nodes[follower_of_all(c)]
        victim.kill()
        flip_byte_in_log(victim)
        victim.start().wait_ready()
        other = c.nodes[next(n for n in c.nodes if n != victim.number)]
        other.kill()
        role = [r["role"] for (g, n), r in c.replicas_seen().items()
                if n == victim.number and g == 1]
        done = c.cli("--timeout", "3000", "set", "needs-majority", "x")
        if role == ["quarantined"]:
            expect(done.code in (3, 5), f"a quarantined replica "
                   f"acknowledged: exit {done.code} {done.err}")
        other.start().wait_ready()
        wait_until(lambda: c.cli("set", "needs-majority", "y").code == 0, 30,
                   "two whole replicas serve again")
        hammer.verify()


@test
def a_node_whose_data_was_deleted_never_becomes_an_empty_voter():
    """Breaks if a blank node under a known address counts for a majority: it
    has forgotten what it voted for and what it acknowledged."""
    with Cluster() as c:
        hammer = Hammer(c, keys=10_000)
        hammer.wait()
        lost = c.nodes[3]
        lost.kill()
        shutil.rmtree(lost.data)
        os.makedirs(lost.data)
        lost.start().wait_ready()
        # Two whole nodes go on.
        c.set("after-loss", b"served by two")
        hammer.verify()
        # One whole node and one blank one are no majority.
        c.nodes[2].kill()
        done = c.cli("--timeout", "3000", "set", "after-loss", "by the blank")
        expect(done.code in (3, 5), "a blank node counted for a majority: "
               f"exit {done.code} {done.err}")
        c.nodes[2].start().wait_ready()
        wait_until(lambda: c.get("after-loss") is not None, 30,
                   "two whole nodes serve again")
        hammer.verify()


@test
def a_node_of_another_cluster_is_refused_by_name():
    """Breaks if a peer is trusted for its address: its log and votes belong to
    other groups. Node 1 is the one that the others dial."""
    with Cluster(groups=2) as a, Cluster(groups=2) as b:
        a.set("whose", b"a")
        b.set("whose", b"b")
        stranger, absent = b.nodes[1], a.nodes[1]
        absent.kill()
        stranger.kill()
        own = stranger.port
        stranger.move(absent.port)
        stranger.start().wait_ready()
        wait_until(lambda: "WRONG_CLUSTER" in a.nodes[2].said() and
                   "WRONG_CLUSTER" in stranger.said(), 30,
                   "both sides refuse each other by name")
        # Asked by hand: the library would follow the map to that address.
        for n in (2, 3):
            with Connection(a.nodes[n].port) as connection:
                wait_until(lambda: connection.get("whose") == (0, b"a"), 30,
                           f"node {n} of a answers with a's value")
        stranger.kill()
        stranger.move(own)
        stranger.start().wait_ready()
        absent.start().wait_ready()
        a.wait_healthy()
        b.wait_healthy()
        expect(a.get("whose") == b"a", "cluster a has its own value")
        expect(b.get("whose") == b"b", "cluster b has its own value")


@test
def data_of_a_newer_version_is_left_alone():
    """Breaks if an older daemon opens, and so changes, what a newer one
    wrote."""
    with Cluster(nodes=1, groups=1) as c:
        c.set("from", b"the future")
        node = c.nodes[1]
        expect(node.stop() == 0, "stops with 0")
        path = os.path.join(node.data, "identity")
        with open(path, "rb") as f:
            good = f.read()
        with open(path, "wb") as f:
            f.write(newer(good))
        node.start()
        expect(node.process.wait(60) == 1, "exit code 1")
        last = node.said().strip().splitlines()[-1]
        expect("version" in last or "newer" in last or "level" in last,
               f"the error names the version: {last}")
        with open(path, "wb") as f:
            f.write(good)
        node.start().wait_ready()
        c.wait_healthy()
        expect(c.get("from") == b"the future", "nothing was changed")


def newer(identity):
    """The identity file as a much later version would have written it: behind
    six bytes of magic stand the format's level and the checksum of all else
    (node/shell/datadir.h)."""
    expect(identity[:6] == b"COATID", f"an identity file: {identity[:8]!r}")
    head = identity[:6] + b"\x63\0"
    rest = identity[12:]
    return head + struct.pack("<I", crc32c(head + rest)) + rest
