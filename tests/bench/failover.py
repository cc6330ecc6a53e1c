"""failover.py - from kill -9 of a leader to the first acknowledged write of
each of its groups.

One key per data group is written at a constant rate, whether replies come or
not. A write counts if it was submitted after the kill; the time is from the
kill to the end of the first such write. Beside it a second load with a journal
runs on the same cluster; in the end everything that it had acknowledged is
read back."""
import os
import subprocess
import sys
import time

import common
from cluster import Cluster, Hammer, expect, program


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x1021 if crc & 0x8000 else 0)
        crc &= 0xffff
    return crc


def key_of_each_group(c):
    """{group: a key whose slot it owns}"""
    import json
    slots = json.loads(c.cli("-o", "json", "map").text)["slots"]
    found, i = {}, 0
    while len(found) < c.groups:
        key = f"pulse-{i}"
        slot = crc16(key.encode()) % 16384
        group = next(int(r["group"]) for r in slots
                     if int(r["first"]) <= slot <= int(r["last"]))
        found.setdefault(group, key)
        i += 1
    return found


def leaders(c):
    """{node: data groups it leads}"""
    out = {}
    for (group, node), r in c.replicas_seen().items():
        if r["role"] == "leader" and group > 0:
            out.setdefault(node, []).append(group)
    return out


def one_kill(c, keys, rate):
    """Milliseconds of each group that the killed node led."""
    path = os.path.join(c.folder, "pulse")
    groups = sorted(keys)
    with open(path, "wb") as out:
        pulse = subprocess.Popen(
            [program("hammer"), "pulse", "--endpoint", c.endpoints, "--rate",
             str(rate), "--seconds", "8", *(keys[g] for g in groups)],
            stdout=out)
    time.sleep(1)
    # Asked last: leaderships are balanced for a while after a restart.
    led = leaders(c)
    victim = max(led, key=lambda n: len(led[n]))
    at = time.monotonic_ns()
    c.nodes[victim].kill()
    expect(pulse.wait(60) == 0, "hammer pulse failed")
    first = {}
    with open(path) as f:
        for line in f:
            key, submitted, ended, status = line.split()
            group = groups[int(key)]
            # What was submitted in the instant of the kill may still have
            # been acknowledged by the dying node.
            if status == "OK" and int(submitted) >= at + 5_000_000:
                first[group] = min(first.get(group, 1 << 63), int(ended))
    c.nodes[victim].start().wait_ready()
    c.wait_healthy()
    for group in led[victim]:
        expect(group in first, f"group {group} took no write within 7 s")
    return victim, {g: (first[g] - at) / 1e6 for g in led[victim]}


def main():
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("--kills", type=int, default=30)
    p.add_argument("--rate", type=int, default=200,
                   help="writes per second and group (default 200)")
    o = p.parse_args()
    common.begin(o)
    every = []
    with Cluster(nodes=3, groups=o.groups) as c:
        keys = key_of_each_group(c)
        beside = Hammer(c, keys=1_000_000_000, concurrency=2)
        for turn in range(o.kills):
            victim, times = one_kill(c, keys, o.rate)
            every += times.values()
            print(f"kill {turn + 1:2}: node {victim}, ms by group: "
                  + "  ".join(f"{g}:{t:.0f}" for g, t in times.items()),
                  flush=True)
        beside.interrupt()
        beside.verify()
        print(f"nothing lost of {beside.acknowledged()} acknowledged keys")
    print(f"failover: {o.kills} kills, {len(every)} groups; ms until the "
          f"first acknowledged write: p50 {common.percentile(every, 50):.0f}, "
          f"p99 {common.percentile(every, 99):.0f}, max {max(every):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
