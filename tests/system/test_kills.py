"""test_kills.py - what was acknowledged survives whoever dies."""
import random

from cluster import Cluster, Hammer, expect, wait_until
from harness import test
from wire import Connection

STATUS_OK = 0
MANY = 5_000_000  # more than a test ever writes: it is interrupted


@test
def every_acknowledged_key_survives_kill_9_of_leaders_in_turn():
    """Breaks if a new leader lacks what the old one acknowledged, or if
    writing stops for good while one node of three is away."""
    with Cluster() as c:
        hammer = Hammer(c, keys=MANY)
        for turn, group in enumerate([1, 2, 3, 0, 4, 5, 6]):
            hammer.wait_acknowledged((turn + 1) * 8000)
            leader = c.wait_leader(group)
            c.nodes[leader].kill()
            c.wait_leader(group, other_than=leader)
            hammer.wait_acknowledged(hammer.acknowledged() + 4000)
            c.nodes[leader].start().wait_ready()
            c.wait_healthy()
        hammer.wait_acknowledged(100_000)
        hammer.interrupt()
        hammer.verify()


@test
def all_nodes_killed_at_once_in_the_middle_of_writes_lose_nothing():
    """Breaks if anything is acknowledged before it is on a majority's disks,
    or if recovery cuts more than an unacknowledged tail."""
    with Cluster() as c:
        hammer = Hammer(c, keys=MANY)
        for turn in range(3):
            hammer.wait_acknowledged(20_000 * (turn + 1))
            c.kill_all_and_start()
            c.wait_healthy()
        hammer.wait_acknowledged(hammer.acknowledged() + 10_000)
        hammer.interrupt()
        for node in c.nodes:
            hammer.verify(endpoint=node)


@test
def nodes_with_several_loops_keep_their_word():
    """Breaks if what one loop thread acknowledges depends on another one that
    has not done its part: groups and connections are spread over loops."""
    with Cluster(options=("--threads", "2")) as c:
        hammer = Hammer(c, keys=MANY)
        for turn, group in enumerate([1, 2]):
            hammer.wait_acknowledged((turn + 1) * 8000)
            leader = c.wait_leader(group)
            c.nodes[leader].kill()
            hammer.wait_acknowledged(hammer.acknowledged() + 4000)
            c.nodes[leader].start().wait_ready()
            c.wait_healthy()
        c.kill_all_and_start()
        c.wait_healthy()
        hammer.interrupt()
        for node in c.nodes:
            hammer.verify(endpoint=node)
        for node in c.nodes.values():
            expect(node.stop() == 0, f"node {node.number} stops with 0")


@test
def a_single_node_keeps_its_word_through_kill_9():
    """Breaks if a sole voter acknowledges before its own disk has it."""
    with Cluster(nodes=1, groups=2) as c:
        hammer = Hammer(c, keys=MANY, concurrency=16)
        for turn in range(3):
            hammer.wait_acknowledged(5000 * (turn + 1))
            c.nodes[1].kill()
            c.nodes[1].start().wait_ready()
        c.wait_healthy()
        hammer.wait_acknowledged(20_000)
        hammer.interrupt()
        hammer.verify()


@test
def five_nodes_serve_while_two_are_dead():
    """Breaks if a group of three that lost one of its nodes stops, or if
    routing insists on a dead node."""
    with Cluster(nodes=5, groups=5) as c:
        hammer = Hammer(c, keys=MANY, concurrency=16)
        hammer.wait_acknowledged(2000)
        # Groups 1 and 2 are on neighbours; a group may lose one of three.
        dead = _two_nodes_that_share_no_group(c)
        for n in dead:
            c.nodes[n].kill()
        hammer.wait_acknowledged(hammer.acknowledged() + 10_000)
        for n in dead:
            c.nodes[n].start()
        for n in dead:
            c.nodes[n].wait_ready()
        c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


def _two_nodes_that_share_no_group(c):
    """Two nodes that are together in at most groups that keep a majority; if
    every pair shares a group of three, only one node."""
    groups = {}
    for group, node in c.replicas_seen():
        groups.setdefault(group, set()).add(node)
    for a in c.nodes:
        for b in range(a + 1, len(c.nodes) + 1):
            if all(len(g & {a, b}) * 2 < len(g) for g in groups.values()):
                return [a, b]
    return [1]


@test
def the_same_keys_are_read_through_each_node():
    """Breaks if a node answers from its own state where another one leads, or
    cannot pass a request on. Asks by hand: the library would go to the
    leader by itself."""
    with Cluster() as c:
        keys = [f"everywhere-{i}" for i in range(200)]
        with Connection(c.nodes[1].port) as one:
            for key in keys:
                expect(one.set(key, f"value of {key}") == STATUS_OK,
                       f"set {key} through node 1")
        for n, node in c.nodes.items():
            with Connection(node.port) as connection:
                for key in keys:
                    status, value = connection.get(key)
                    expect(status == STATUS_OK and
                           value.decode() == f"value of {key}",
                           f"{key} through node {n}: status {status}")
        hammer = Hammer(c, keys=20_000)
        hammer.wait()
        for n in c.nodes:
            hammer.verify(endpoint=n)


@test
def a_leader_that_slept_does_not_answer_with_old_data():
    """Breaks if a deposed leader that wakes up serves a read without asking a
    majority first: the value written meanwhile would be missing."""
    with Cluster(groups=1) as c:
        c.set("slept", b"before")
        for turn in range(3):
            old = c.wait_leader(1)
            others = ",".join(n.endpoint for i, n in c.nodes.items()
                              if i != old)
            c.nodes[old].pause()
            new = f"after {turn}".encode()
            wait_until(lambda: c.cli("set", "slept", "-", stdin=new,
                                     endpoint=others).code == 0, 30,
                       "the others take the write")
            c.nodes[old].resume()
            with Connection(c.nodes[old].port) as connection:
                status, value = connection.get("slept")
                expect(status != STATUS_OK or value == new,
                       f"node {old} woke up and answered {value!r}")
            c.wait_healthy()


@test
def nodes_restart_while_the_others_run():
    """Breaks if a node that was away cannot catch up under load."""
    with Cluster() as c:
        hammer = Hammer(c, keys=MANY, concurrency=32)
        hammer.wait_acknowledged(5000)
        for n in c.nodes:
            expect(c.nodes[n].stop() == 0, f"node {n} stops with 0")
            hammer.wait_acknowledged(hammer.acknowledged() + 5000)
            c.nodes[n].start().wait_ready()
            c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


@test
def the_whole_cluster_stops_and_starts_again():
    """Breaks if a graceful stop leaves something that a start cannot read, or
    if nodes cannot agree again without each other's help."""
    with Cluster() as c:
        hammer = Hammer(c, keys=30_000)
        hammer.wait()
        for node in c.nodes.values():
            expect(node.stop() == 0, f"node {node.number} stops with 0")
        for node in c.nodes.values():
            node.start()
        for node in c.nodes.values():
            node.wait_ready()
        c.wait_healthy()
        hammer.verify()


@test(long=True)
def an_hour_of_random_kills_in_ten_minutes():
    """Kills, pauses and stops random nodes under load, never two at once, and
    then all at once; verifies after each round."""
    rng = random.Random(20)
    with Cluster() as c:
        for turn in range(10):
            hammer = Hammer(c, keys=MANY, first=turn * MANY,
                            name=f"hammer{turn}")
            for _ in range(6):
                hammer.wait_acknowledged(hammer.acknowledged() + 10_000)
                node = c.nodes[rng.choice(list(c.nodes))]
                what = rng.choice(["kill", "stop", "pause"])
                if what == "pause":
                    node.pause()
                    hammer.wait_acknowledged(hammer.acknowledged() + 1000)
                    node.resume()
                else:
                    node.kill() if what == "kill" else node.stop()
                    hammer.wait_acknowledged(hammer.acknowledged() + 1000)
                    node.start().wait_ready()
                c.wait_healthy()
            hammer.interrupt()
            hammer.verify()
