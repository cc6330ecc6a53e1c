"""redis.py - redis-benchmark against the Redis door of a fresh cluster.

Each figure once straight to the leaders (--cluster) and once through one plain
node, which passes most keys on. Server CPU is user+sys of all daemons, from
/proc, divided by the operations of the run."""
import re
import subprocess

import common
from cluster import Cluster, expect, wait_until
from resp import Resp

#        op    pipeline operations
FIGURES = [
    ("set", 1, 200_000), ("get", 1, 400_000),
    ("set", 16, 800_000), ("get", 16, 2_000_000),
]


def bench(c, o, op, pipeline, count, *more):
    """Operations per second."""
    done = subprocess.run(
        ["redis-benchmark", "-p", str(c.nodes[1].redis_port), "-c", "50",
         "-n", str(count), "-r", str(o.keys), "-d", str(o.value_size), "-t",
         op, "-P", str(pipeline), "--csv", *more],
        capture_output=True, text=True, timeout=600)
    expect(done.returncode == 0, done.stderr[-500:])
    found = re.search(r'"%s","([\d.]+)"' % op.upper(), done.stdout)
    expect(found, done.stdout[-500:])
    return float(found.group(1))


def wait_known(c):
    """Until every node's address is in the map and every slot has a leader."""
    def known():
        r = Resp(c.nodes[1].redis_port)
        nodes, info = r.ask("CLUSTER", "NODES"), r.ask("CLUSTER", "INFO")
        r.close()
        return nodes.count(b"\n") == len(c.nodes) and \
            b"cluster_state:ok" in info
    wait_until(known, 30, "CLUSTER NODES knows all nodes")


def main():
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("--keys", type=int, default=100_000)
    p.add_argument("--value-size", type=int, default=128)
    p.add_argument("--share", type=float, default=1.0,
                   help="of the operations of each figure: less is quicker")
    o = p.parse_args()
    common.begin(o)
    print(f"{'50 clients':<24} {'--cluster':>10} {'CPU us/op':>9} "
          f"{'one node':>10} {'CPU us/op':>9}")
    with Cluster(nodes=3, groups=o.groups) as c:
        wait_known(c)
        for op, pipeline, count in FIGURES:
            count = int(count * o.share)
            line = f"{op + ', pipeline ' + str(pipeline):<24}"
            for how in (["--cluster"], []):
                before = common.Snapshot(c)
                rate = bench(c, o, op, pipeline, count, *how)
                cost = common.Cost(before, common.Snapshot(c))
                line += f" {rate:>10.0f} {cost.cpu / count * 1e6:>9.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
