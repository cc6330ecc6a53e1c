"""namespaces.py - a cluster whose nodes are machines of their own on a network
that can be cut: one network namespace per node, joined by a bridge in a further
one, where the clients are. Needs root.

    with NetCluster() as c:
        c.cut(1, 2)       # packets from node 1 to node 2 are lost
        c.heal()

Only packets between nodes are cut; clients reach every node."""
import os
import subprocess

from cluster import Cluster, Skipped

_made = [0]


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class NetCluster(Cluster):
    """As Cluster, with addresses 10.201.0.n; ends the namespaces too."""

    def __init__(self, **how):
        super().__init__(start=False, **how)
        _made[0] += 1
        self.name = f"coat{os.getpid()}x{_made[0]}"
        self.cuts = set()
        self.spaces = []
        try:
            self._wire()
        except (OSError, FileNotFoundError) as e:
            self._unwire()
            self.stop_all()
            self.__exit__(None)
            raise Skipped(f"no network namespaces here: {e}") from None
        try:
            self.start()
        except BaseException:
            self.__exit__(Exception)
            raise

    def _space(self, name):
        _ip("netns", "add", name)
        self.spaces.append(name)
        _ip("-n", name, "link", "set", "lo", "up")

    def _wire(self):
        self._space(self.name)
        self.prefix = ["ip", "netns", "exec", self.name]
        _ip("-n", self.name, "link", "add", "hub", "type", "bridge")
        _ip("-n", self.name, "addr", "add", "10.201.0.254/24", "dev", "hub")
        _ip("-n", self.name, "link", "set", "hub", "up")
        for n, node in self.nodes.items():
            space = f"{self.name}n{n}"
            self._space(space)
            _ip("-n", space, "link", "add", "wire", "type", "veth", "peer",
                "name", f"wire{n}", "netns", self.name)
            _ip("-n", space, "addr", "add", f"10.201.0.{n}/24", "dev", "wire")
            _ip("-n", space, "link", "set", "wire", "up")
            _ip("-n", self.name, "link", "set", f"wire{n}", "master", "hub",
                "up")
            node.host = f"10.201.0.{n}"
            node.prefix = ["ip", "netns", "exec", space]
            node.move(node.port)

    def _unwire(self):
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        self.spaces = []

    def __exit__(self, kind, *rest):
        try:
            super().__exit__(kind, *rest)
        finally:
            self._unwire()

    def cut(self, source, target):
        """Lose what source sends to target; the other way stays open."""
        if (source, target) not in self.cuts:
            self.cuts.add((source, target))
            _ip("-n", f"{self.name}n{source}", "route", "add", "blackhole",
                f"10.201.0.{target}/32")

    def isolate(self, n):
        """Cut the node from all others, both ways."""
        for other in self.nodes:
            if other != n:
                self.cut(n, other)
                self.cut(other, n)

    def heal(self):
        """Nothing is cut any more."""
        for source, target in self.cuts:
            _ip("-n", f"{self.name}n{source}", "route", "del", "blackhole",
                f"10.201.0.{target}/32")
        self.cuts = set()

    def slow(self, n, *what):
        """netem on what node n sends, such as "delay", "50ms", "loss", "2%";
        Skipped where the kernel has no netem."""
        space = f"{self.name}n{n}"
        done = subprocess.run(
            ["tc", "-n", space, "qdisc", "replace", "dev", "wire", "root",
             "netem", *what], capture_output=True, text=True)
        if done.returncode:
            raise Skipped(f"no netem here: {done.stderr.strip()}")
