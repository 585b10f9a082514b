"""Runs a command and measures it.  Used by contenders.py, scale.py and tests/conform.py."""

import os
import resource
import signal
import subprocess
import tempfile
import time

# What the kernel sends at the soft and the hard limit of CPU time.
OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGKILL)


class Limits:
    """How long a command may take: CPU seconds, and by the clock (four times as long).

    stack: bytes of stack it may use, if that is limited.
    """

    def __init__(self, cpu, stack=None):
        self.cpu, self.wall, self.stack = cpu, 4 * cpu, stack


class Run:
    """How a run ended: what it wrote, exit status (None: out of time), seconds, bytes at the peak.

    compile is the part of cpu spent before the program ran, and run the other one; both are None
    unless the caller knows.
    """

    def __init__(self, status, wall, cpu, memory=0):
        self.status, self.wall, self.cpu, self.memory = status, wall, cpu, memory
        self.user = cpu  # cpu without what the kernel took
        self.output = self.errors = b""
        self.compile = self.run = None

    def set_running(self, seconds):
        """So much of the time was spent on running the program."""
        self.run = min(seconds, self.cpu)
        self.compile = self.cpu - self.run

    def add_compiling(self, *runs):
        """The program was made by these runs."""
        self.run, self.compile = self.cpu, sum(run.cpu for run in runs)
        self.cpu += self.compile
        self.wall += sum(run.wall for run in runs)


def run_command(command, input_path, limits):
    """Runs a command with a file as standard input; returns a Run."""

    def prepare():
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu, limits.cpu + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits.stack:
            resource.setrlimit(resource.RLIMIT_STACK, (limits.stack, limits.stack))

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, \
            open(input_path, "rb") as source:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=source, stdout=output, stderr=errors,
                                 preexec_fn=prepare)
        run = wait(child, start, limits)
        for file, name in ((output, "output"), (errors, "errors")):
            file.seek(0)
            setattr(run, name, file.read())
    return run


def wait(child, start, limits):
    """Waits for a child, ending it when its time is over."""
    pause = 0.0005
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        wall = time.monotonic() - start
        if pid != 0:
            child.returncode = os.waitstatus_to_exitcode(status)
            cpu = usage.ru_utime + usage.ru_stime
            status = None if child.returncode in OUT_OF_TIME else child.returncode
            run = Run(status, wall, cpu, usage.ru_maxrss * 1024)
            run.user = usage.ru_utime
            return run
        if wall > limits.wall:
            child.kill()
            os.wait4(child.pid, 0)
            child.returncode = -9
            return Run(None, wall, wall)
        time.sleep(pause)
        pause = min(1.2 * pause, 0.02)
