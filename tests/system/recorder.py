"""recorder.py - clients whose histories are checked for linearizability.

    with Recorder(cluster) as r:
        ... break things, r.wait_done(n) ...
    # left in order: the history is linearizable, or the test fails

Two processes with eight clients each share a few keys; what they wrote down is
one history for coat_check. The writes of the first carry no ids and are never
repeated when their fate is unknown; those of the second are."""
import contextlib
import os
import signal
import subprocess

from cluster import Failure, die_with_parent, expect, program, wait_until


class Recorder:
    """Runs beside the test from construction on."""

    def __init__(self, cluster, keys=5, processes=2, concurrency=8, think=5,
                 timeout=2000, name="history", endpoints=None):
        self.cluster = cluster
        self.files = []
        self.logs = []
        self.processes = []
        for i in range(processes):
            path = os.path.join(cluster.folder, f"{name}{i}")
            self.files.append(path)
            self.logs.append(path + ".log")
            with open(path + ".log", "wb") as log:
                self.processes.append(subprocess.Popen(
                    [*cluster.prefix, program("recorder"), "--history", path,
                     "--endpoint", endpoints or cluster.endpoints,
                     "--keys", str(keys), "--concurrency", str(concurrency),
                     "--think", str(think), "--timeout", str(timeout),
                     "--process", str(i * 100_000),
                     *(["--at-most-once"] if i % 2 == 0 else [])],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=die_with_parent))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.check()
        else:
            for p in self.processes:
                p.kill()
                p.wait()

    def bytes(self):
        """How much has been written down so far."""
        total = 0
        for path in self.files:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(path)
        return total

    def wait_more(self, lines=400, seconds=60):
        """Wait until about so many more requests were answered."""
        end = self.bytes() + lines * 60  # a line has some 75 bytes

        def enough():
            for p, log in zip(self.processes, self.logs):
                expect(p.poll() is None, f"a recorder ended: {_words(log)}")
            return self.bytes() >= end
        wait_until(enough, seconds, f"{lines} more requests are answered")

    def stop(self):
        """Let them end what is under way."""
        for p in self.processes:
            p.send_signal(signal.SIGTERM)
        for p, log in zip(self.processes, self.logs):
            try:
                code = p.wait(60)
            except subprocess.TimeoutExpired:
                p.kill()
                raise Failure("a recorder does not end") from None
            expect(code == 0, f"recorder: exit {code}: {_words(log)}")
        self.processes = []

    def check(self):
        """Stop, and judge the history."""
        self.stop()
        done = subprocess.run([program("coat_check"), *self.files],
                              capture_output=True, text=True, timeout=120)
        expect(done.returncode == 0,
               f"{done.stdout[-800:]}{done.stderr[-800:]}")
        return done.stdout.strip()


def _words(log):
    with open(log, errors="replace") as f:
        return f.read()[-500:]
