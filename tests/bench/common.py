"""common.py - what the measuring scripts share: a cluster, and what its
processes cost. Figures are only comparable on one machine, and with nothing
else running on it."""
import argparse
import os
import platform
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
import cluster  # noqa: E402


def arguments(text):
    p = argparse.ArgumentParser(description=text)
    p.add_argument("--build", required=True,
                   help="the folder with coatcheckd, coatcheck and hammer")
    p.add_argument("--groups", type=int, default=6)
    return p


def begin(options):
    cluster.setup(options.build)
    with open("/proc/cpuinfo") as f:
        model = [line.split(":")[1].strip() for line in f
                 if line.startswith("model name")]
    print(f"machine: {len(model)} cores, {model[0] if model else '?'}, "
          f"Linux {platform.release()}")
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: the load average is {load:.1f}: others are at work")


def percentile(values, p):
    """The smallest value that p percent of the values do not exceed."""
    values = sorted(values)
    return values[max(0, -(-len(values) * p // 100) - 1)]


def resident(node):
    """Resident bytes of a node's process."""
    with open(f"/proc/{node.process.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Snapshot:
    """CPU seconds, fdatasyncs and the clock at one moment."""

    def __init__(self, c):
        import time
        self.at = time.monotonic()
        self.cpu = {n: node.cpu_seconds() for n, node in c.nodes.items()}
        status = c.status() or {"nodes": []}
        self.syncs = {int(n["node"]): int(n.get("wal_syncs", 0))
                      for n in status["nodes"]}


class Cost:
    """What happened between two snapshots."""

    def __init__(self, before, after):
        self.seconds = after.at - before.at
        self.cpu = sum(after.cpu.values()) - sum(before.cpu.values())
        self.syncs = {n: (after.syncs.get(n, 0) - s) / self.seconds
                      for n, s in before.syncs.items()}
        self.cores = {n: (after.cpu[n] - c) / self.seconds
                      for n, c in before.cpu.items()}

    def syncs_text(self):
        return "/".join(f"{s:.0f}" for s in self.syncs.values())
