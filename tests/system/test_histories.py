"""test_histories.py - what clients saw while things broke is linearizable."""
import random

from cluster import Cluster, expect
from harness import test
from recorder import Recorder


@test
def histories_with_kills_of_leaders_are_linearizable():
    """Breaks if a new leader answers before it has all that was acknowledged,
    or if a write of unknown outcome takes effect twice."""
    with Cluster(groups=2) as c, Recorder(c) as r:
        for group in (1, 2, 1):
            r.wait_more()
            leader = c.wait_leader(group)
            c.nodes[leader].kill()
            r.wait_more()
            c.nodes[leader].start().wait_ready()
            c.wait_healthy()
        r.wait_more()


@test
def histories_with_paused_leaders_are_linearizable():
    """Breaks if a leader that slept answers reads from its own state, or lets
    a write through that it took before it was deposed."""
    with Cluster(groups=2) as c, Recorder(c) as r:
        for turn in range(4):
            r.wait_more()
            leader = c.wait_leader(1 + turn % 2)
            c.nodes[leader].pause()
            r.wait_more()
            c.nodes[leader].resume()
        r.wait_more()
        c.wait_healthy()


@test
def histories_with_all_nodes_killed_at_once_are_linearizable():
    """Breaks if anything that a client was told rests on memory alone."""
    with Cluster(groups=2) as c, Recorder(c) as r:
        for _ in range(3):
            r.wait_more()
            c.kill_all_and_start()
            c.wait_healthy()
        r.wait_more()


@test(long=True)
def histories_of_ten_minutes_of_random_faults_are_linearizable():
    """Kills, pauses and stops of one node at a time, now and then of all. Each
    history has a cluster of its own: it begins without keys, and no write of an
    earlier one whose outcome is unknown comes late."""
    rng = random.Random(31)
    for _ in range(12):
        with Cluster(groups=4) as c, Recorder(c) as r:
            for _ in range(8):
                r.wait_more(lines=1000)
                break_something(rng, c, r)
                c.wait_healthy()


def break_something(rng, c, r):
    """One node, or all of them, while more requests are answered."""
    node = c.nodes[rng.choice(list(c.nodes))]
    what = rng.choice(["kill", "pause", "stop", "all"])
    if what == "pause":
        node.pause()
        r.wait_more(lines=500)
        node.resume()
    elif what == "all":
        c.kill_all_and_start()
    else:
        if what == "kill":
            node.kill()
        else:
            expect(node.stop() == 0, "stops with 0")
        r.wait_more(lines=500)
        node.start().wait_ready()
