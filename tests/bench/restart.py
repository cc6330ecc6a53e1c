"""restart.py - kill -9 of all nodes with much log, and until they serve again.

Writes large values until the log folder of each node holds --log-bytes, kills
all three at once and starts them. The time is from the start of the processes
to the first write and read acknowledged in every data group; each daemon's own
time from its start to listening is shown too."""
import os
import sys
import time

import common
from cluster import Cluster, Hammer, expect
from failover import key_of_each_group


def log_bytes(node):
    """Bytes of log segments on disk that were written."""
    folder, size = os.path.join(node.data, "wal"), 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            while block := f.read(1 << 20):
                size += len(block.rstrip(b"\0"))
    return size


def main():
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("--log-bytes", type=int, default=1 << 30)
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--value-size", type=int, default=1000)
    o = p.parse_args()
    common.begin(o)
    worst = 0
    with Cluster(nodes=3, groups=o.groups) as c:
        keys = key_of_each_group(c)
        per_run = o.log_bytes // (o.value_size + 60)
        for turn in range(o.repeat):
            hammer = Hammer(c, keys=per_run, first=turn * per_run,
                            value_size=o.value_size, name=f"load{turn}")
            hammer.wait(900)
            sizes = {n: log_bytes(node) for n, node in c.nodes.items()}
            for node in c.nodes.values():
                node.process.kill()
            for node in c.nodes.values():
                node.process.wait()
            begin = time.monotonic()
            for node in c.nodes.values():
                node.start()
            ready = {}
            for n, node in c.nodes.items():
                node.wait_ready(120)
                ready[n] = time.monotonic() - begin
            for group, key in keys.items():
                while c.cli("--timeout", "10000", "set", key, "v").code != 0:
                    expect(time.monotonic() - begin < 120,
                           f"group {group} does not serve")
                expect(c.get(key) == b"v", f"group {group} reads")
            took = time.monotonic() - begin
            worst = max(worst, took)
            print(f"restart {turn + 1}: log "
                  + "/".join(f"{s / 2**20:.0f}" for s in sizes.values())
                  + " MiB; listening after "
                  + "/".join(f"{s:.1f}" for s in ready.values())
                  + f" s; every group serves after {took:.1f} s", flush=True)
            c.wait_healthy(120)
            hammer.verify()
    print(f"restart: at most {worst:.1f} s, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
