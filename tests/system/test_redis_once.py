"""test_redis_once.py - a Redis client's writes are executed once, whatever
happens to the nodes that it is not connected to."""
import random
import threading

from cluster import Cluster, Failure, expect, wait_until
from harness import test
from resp import Error, Resp

KEYS = [f"counter{i}" for i in range(8)]
PIPELINE = 8


class Counting:
    """Threads with pipelines of INCR, two per node, until told to stop. Only
    a connection that breaks may leave an outcome open."""

    def __init__(self, cluster, nodes):
        self.cluster = cluster
        self.done = 0       # increments with a reply
        self.open = 0       # ... whose connection broke
        self.errors = []
        self.failure = None
        self.stopping = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(n, i))
                        for n in nodes for i in range(2)]
        for t in self.threads:
            t.start()

    def _pipeline(self, r, rng, seen):
        keys = [rng.choice(KEYS) for _ in range(PIPELINE)]
        got = 0
        try:
            r.socket.sendall(b"".join(b"*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n" %
                                      (len(k), k.encode()) for k in keys))
            for key in keys:
                reply = r.read()
                got += 1
                with self.lock:
                    if isinstance(reply, Error):
                        self.errors.append(str(reply))
                        continue
                    self.done += 1
                if reply <= seen.get(key, 0):
                    raise Failure(f"{key} went from {seen[key]} to {reply}")
                seen[key] = reply
        except OSError:
            with self.lock:
                self.open += PIPELINE - got
            raise

    def _run(self, node, i):
        rng = random.Random(node * 100 + i)
        seen = {}
        try:
            while not self.stopping:
                try:
                    r = Resp(self.cluster.nodes[node].redis_port)
                except OSError:
                    continue  # its node is down: until it is back
                try:
                    while not self.stopping:
                        self._pipeline(r, rng, seen)
                except OSError:
                    pass
                finally:
                    r.close()
        except BaseException as e:  # told by stop()
            self.failure = e

    def wait_more(self, count):
        goal = self.done + count
        wait_until(lambda: self.failure or self.done >= goal, 90,
                   f"{count} more increments")

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join()
        if self.failure:
            raise self.failure


def check(c, counting, may_refuse=()):
    """`may_refuse`: how errors begin that say: this was not executed."""
    r = Resp(c.nodes[1].redis_port)
    total = sum(int(x or 0) for x in r.ask("MGET", *KEYS))
    r.close()
    print(f"    {counting.done} increments, {counting.open} on broken "
          f"connections, {len(counting.errors)} errors", flush=True)
    wrong = {e for e in counting.errors if not e.startswith(may_refuse)}
    expect(not wrong, f"errors: {sorted(wrong)}")
    expect(counting.done <= total <= counting.done + counting.open,
           f"the sum is {total}")
    return total


@test
def redis_clients_of_other_nodes_see_no_kill_and_no_pause():
    """Breaks if a write whose leader died or fell silent is answered with an
    unknown outcome, is executed twice, or not in the order of its pipeline."""
    with Cluster(groups=6) as c:
        counting = Counting(c, (1,))
        try:
            counting.wait_more(200)
            for victim, asleep in ((2, False), (3, True)):
                with c.without(victim, asleep):
                    counting.wait_more(200)
                counting.wait_more(100)
        finally:
            counting.stop()
        expect(counting.open == 0, "node 1 was not touched")
        check(c, counting)


@test(long=True)
def redis_clients_of_all_nodes_count_exactly():
    """The same through all nodes, all of which die or fall silent in turn:
    what is not known is only what was under way on broken connections. A node
    that slept for longer than it asks again refuses what it had taken."""
    with Cluster(groups=6, options=("--threads", "2")) as c:
        counting = Counting(c, (1, 2, 3))
        try:
            for turn in range(9):
                counting.wait_more(500)
                with c.without(turn % 3 + 1, asleep=turn % 2):
                    counting.wait_more(300)
        finally:
            counting.stop()
        check(c, counting, may_refuse=("CLUSTERDOWN", "TRYAGAIN"))
