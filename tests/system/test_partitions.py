"""test_partitions.py - the network between the nodes is cut or slow; what
clients see, who reach every node, stays linearizable, and a majority that can
talk goes on. Skipped where network namespaces cannot be made."""
from cluster import expect, wait_until
from harness import test
from namespaces import NetCluster
from recorder import Recorder


def wait_new_leader(c, group, old):
    """The others elect one of them; a deposed one may still think it leads."""
    def found():
        return [n for (g, n), r in c.replicas_seen().items()
                if g == group and r["role"] == "leader" and n != old]
    return wait_until(found, 30, f"group {group} has a leader besides {old}")


@test
def a_leader_that_is_cut_off_serves_nothing_old():
    """Breaks if a leader without its majority answers reads from its own
    state or acknowledges writes: clients reach it all the time."""
    with NetCluster(groups=1) as c, Recorder(c) as r:
        for _ in range(2):
            r.wait_more()
            leader = c.wait_leader(1)
            c.isolate(leader)
            wait_new_leader(c, 1, leader)
            r.wait_more()
            c.heal()
            c.wait_healthy()


@test
def a_leader_that_is_heard_by_nobody_is_replaced():
    """Breaks if a leader that hears its followers, and is not heard by them,
    keeps them from electing another one."""
    with NetCluster(groups=1) as c, Recorder(c) as r:
        r.wait_more()
        leader = c.wait_leader(1)
        for other in c.nodes:
            if other != leader:
                c.cut(leader, other)
        wait_new_leader(c, 1, leader)
        r.wait_more()
        c.heal()
        c.wait_healthy()
        r.wait_more()


@test
def a_leader_that_hears_nobody_gives_way():
    """Breaks if heartbeats that go out keep a leader alive that hears no
    answer: nothing would be acknowledged any more."""
    with NetCluster(groups=1) as c, Recorder(c) as r:
        r.wait_more()
        leader = c.wait_leader(1)
        for other in c.nodes:
            if other != leader:
                c.cut(other, leader)
        wait_new_leader(c, 1, leader)
        r.wait_more()
        c.heal()
        c.wait_healthy()


@test
def histories_with_a_ring_of_cut_links_are_linearizable():
    """Breaks if nodes that each hear only one other agree on two leaders, or
    never recover once the links are back."""
    with NetCluster(groups=2) as c, Recorder(c) as r:
        r.wait_more()
        for a, b in ((1, 2), (2, 3), (3, 1)):
            c.cut(a, b)
        # TCP needs both ways: no pair can talk, nothing may be acknowledged.
        done = c.cli("--timeout", "3000", "set", "alone", "x")
        expect(done.code in (3, 5), f"nobody could talk, and yet: {done.code}")
        c.heal()
        c.wait_healthy()
        r.wait_more()


@test
def a_node_cut_from_one_other_only_does_no_harm():
    """Breaks if two nodes that cannot talk depose the leader that both can
    talk to, again and again: pre-vote has to prevent it."""
    with NetCluster(groups=1) as c, Recorder(c) as r:
        leader = c.wait_home(1)
        a, b = (n for n in c.nodes if n != leader)
        for _ in range(5):  # on a busy machine it may lose its followers once
            before = c.replicas_seen().get((1, leader))
            c.cut(a, b)
            c.cut(b, a)
            r.wait_more(lines=2000)
            after = c.replicas_seen().get((1, leader))
            if before and after and before["term"] == after["term"] and \
                    before["role"] == after["role"] == "leader":
                return
            c.heal()
            c.wait_home(1)
        expect(False, f"node {leader} led, {before}, and then {after}")


@test
def histories_over_slow_links_are_linearizable():
    """Breaks if late and lost packets make two nodes leaders, or a reply is
    taken for another's."""
    with NetCluster(groups=2) as c:
        for n in c.nodes:
            c.slow(n, "delay", "30ms", "20ms", "loss", "2%")
        with Recorder(c, timeout=5000) as r:
            r.wait_more()
            leader = c.wait_leader(1)
            c.isolate(leader)
            wait_new_leader(c, 1, leader)
            r.wait_more()
            c.heal()
            c.wait_healthy()
