"""figures.py - throughput, latency and server CPU of a fresh cluster.

Loads KEYS random keys, then runs each figure for DUR seconds (60; environment
DUR, or --duration). Server CPU is user+sys of all daemons, from /proc, divided
by the operations of the run; fdatasyncs are those of the log, per second and
node, as `coatcheck status` counts them."""
import json
import os
import sys
import time

import common
from cluster import Cluster, expect

#        name                    op    clients  pipeline
FIGURES = [
    ("set, 50 clients", "set", 50, 1),
    ("set, 50 clients, pipeline 16", "set", 50, 16),
    ("get, 50 clients", "get", 50, 1),
    ("get, 50 clients, pipeline 16", "get", 50, 16),
    ("set, 1 client", "set", 1, 1),
    ("get, 1 client", "get", 1, 1),
    ("mixed, 50 clients", "mixed", 50, 1),
    ("incr, 50 clients", "incr", 50, 1),
    ("incr, 50 clients, pipeline 16", "incr", 50, 16),
    ("setif, 50 clients", "setif", 50, 1),
    ("setif, 50 clients, pipeline 16", "setif", 50, 16),
    ("txn, 50 clients", "txn", 50, 1),
    ("txn, 50 clients, pipeline 16", "txn", 50, 16),
]


def bench(c, o, op, clients, pipeline, duration, *more):
    """Run `coatcheck bench`; its figures."""
    done = c.cli("-o", "json", "bench", "--op", op, "--clients", str(clients),
                 "--pipeline", str(pipeline), "--value-size",
                 str(o.value_size), "--keys", str(o.keys), "--duration",
                 str(duration), *more, seconds=duration + 600)
    expect(done.code == 0, f"bench: {done.code} {done.err[-500:]}")
    return json.loads(done.text)


def idle(c):
    """CPU and memory of nodes that have nothing to do."""
    before = common.Snapshot(c)
    time.sleep(10)
    cost = common.Cost(before, common.Snapshot(c))
    for n, node in c.nodes.items():
        print(f"idle: node {n}: {cost.cores[n] * 100:.2f}% of a core, "
              f"{common.resident(node) / 2**20:.1f} MiB resident, "
              f"{cost.syncs[n]:.1f} fdatasyncs/s")


def main():
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("--duration", type=int,
                   default=int(os.environ.get("DUR", "60")))
    p.add_argument("--keys", type=int, default=1_000_000)
    p.add_argument("--value-size", type=int, default=128)
    p.add_argument("--only", default="", help="figures that begin so")
    o = p.parse_args()
    common.begin(o)
    with Cluster(nodes=3, groups=o.groups) as c:
        idle(c)
        before, start = common.Snapshot(c), time.monotonic()
        bench(c, o, "set", 50, 16, 0, "--load")
        seconds = time.monotonic() - start
        cost = common.Cost(before, common.Snapshot(c))
        print(f"load: {o.keys} keys of {o.value_size} bytes in "
              f"{seconds:.1f} s, {cost.cpu / o.keys * 1e6:.1f} us of server "
              "CPU each")
        print(f"{'':<30} {'ops/s':>8} {'p50 ms':>7} {'p99 ms':>7} "
              f"{'max ms':>7} {'errors':>6} {'CPU us/op':>9} "
              f"{'fdatasyncs/s by node':>20} {'MiB':>5}")
        for name, op, clients, pipeline in FIGURES:
            if not name.startswith(o.only):
                continue
            before = common.Snapshot(c)
            got = bench(c, o, op, clients, pipeline, o.duration)
            cost = common.Cost(before, common.Snapshot(c))
            rss = max(common.resident(n) for n in c.nodes.values())
            print(f"{name:<30} {rate(got):8.0f} "
                  f"{latency(got, 'p50'):7.2f} {latency(got, 'p99'):7.2f} "
                  f"{latency(got, 'max'):7.1f} {errors(got):6} "
                  f"{cost.cpu / operations(got) * 1e6:9.1f} "
                  f"{cost.syncs_text():>20} {rss / 2**20:5.0f}", flush=True)
        idle(c)
    return 0


# ---- where `coatcheck bench -o json` has what ----

def rate(got):
    return float(got["ops_per_second"])


def operations(got):
    return int(got["operations"])


def errors(got):
    return int(got["errors"])


def latency(got, which):
    """In milliseconds."""
    return float(got["latency_us"][which]) / 1000


if __name__ == "__main__":
    sys.exit(main())
