"""test_threads.py - everything that threads share, for a daemon built with a
sanitizer: tests/run --long runs this with the thread sanitizer. With any other
build it is a test of load and of stopping."""
import os

from cluster import Cluster, Hammer, expect
from harness import test
from recorder import Recorder

MANY = 10**8


@test
def threads_share_nothing_unseen_under_load_and_at_a_stop():
    """Breaks if loops, the disk thread, workers or RocksDB's own threads touch
    the same memory without order. Large values bring workers in (reads that
    miss the cache, flushes), a restart snapshots of the log."""
    os.environ.setdefault("TSAN_OPTIONS", "exitcode=66 halt_on_error=0")
    with Cluster(groups=4, options=("--threads", "2", "--cache-mib", "1",
                                    "--segment-mib", "32")) as c:
        with Recorder(c, timeout=10000) as r:
            hammer = Hammer(c, keys=MANY, concurrency=8, value_size=4000)
            hammer.wait_acknowledged(2000)
            r.wait_more(lines=200)
            c.nodes[2].kill()
            r.wait_more(lines=200)
            c.nodes[2].start().wait_ready()
            hammer.wait_acknowledged(hammer.acknowledged() + 1000)
            hammer.interrupt()
            c.wait_healthy()
        hammer.verify()
        codes = [node.stop(seconds=120) for node in c.nodes.values()]
        expect(not c.complaints(), c.complaints())
        expect(codes == [0, 0, 0], f"nodes stopped with {codes}")
