#!/usr/bin/env python3
"""faults.py BUILD [--full]: whatever can go wrong outside bfopt does: output, input, memory, signals, terminals.

Each fault is tried under every engine, and with programs of their own (-S).  Always wanted: a status
that says so, one message, all output that could be written, no file left half-written, never a signal
that kills.  Failures of system calls are made by strace, one call after the other.
--full: every single call and allocation, failing once and from then on; else some of them.
"""

import errno
import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 20
ENGINES = [["--ref"], ["--interp"], ["--interp=switch", "-O0"], ["--jit"], ["--jit", "-O0"], ["--jit", "--guard=off"],
           ["--tier-threshold=1", "--tier-max=baseline"], []]
SANITIZED = "test_sanitized" in os.environ
STRACE = shutil.which("strace") is not None and not SANITIZED

HELLO = "++++++++[>++++++++<-]>+." # A
CAT = ">,[.>,]"
MANY = "++++++++[>++++++++<-]>+[>+>+<<-]>>[" + "." * 400 + "+]" # 400 x 191 bytes
ENDLESS = HELLO + "[]"


class Bench:
    def __init__(self, build):
        self.bfopt = os.path.join(os.path.abspath(build), "bfopt")
        self.passed = self.failed = 0
        self.counts = {}

    def check(self, what, problem):
        if problem:
            self.failed += 1
            print(f"FAIL {what}: {problem}", flush=True)
        else:
            self.passed += 1

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    def expect(self, what, got, status, out=None, err=None):
        """err: a pattern a line of the messages must match; "": there are none."""
        problem = None
        if got[0] != status:
            problem = f"status {got[0]}, not {status}; {got[1][-80:]!r} {got[2][-300:]!r}"
        elif out is not None and got[1] != out:
            problem = f"output {got[1][:80]!r} ({len(got[1])} bytes), not {out[:80]!r} ({len(out)})"
        elif err == "" and got[2]:
            problem = f"messages {got[2][-300:]!r}"
        elif err and not re.search(err.encode(), got[2], re.M):
            problem = f"messages {got[2][-300:]!r}, not {err}"
        self.check(what, problem)


def run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, prepare=None, env=None, data=None):
    p = subprocess.Popen(args, stdin=subprocess.PIPE if data is not None else stdin, stdout=stdout,
                         stderr=subprocess.PIPE, preexec_fn=prepare, env={**os.environ, **(env or {})})
    try:
        out, err = p.communicate(data, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        return "no end", out or b"", err or b""
    return p.returncode, out or b"", err or b""


class Engine:
    """A way to run a program: bfopt with options, or the program -S makes of it."""

    def __init__(self, b, options, assembled=False):
        self.b, self.options, self.assembled = b, options, assembled
        self.made = {}

    def __str__(self):
        return "-S, assembled" if self.assembled else " ".join(self.options) or "default"

    def command(self, code, *more):
        if not self.assembled:
            return [self.b.bfopt, *self.options, *more, "-e", code]
        key = (code, more)
        if key not in self.made:
            exe = os.path.abspath(f"program{len(self.made)}")
            subprocess.run([self.b.bfopt, "-S", *more, "-e", code, "-o", exe + ".s"], check=True)
            subprocess.run(["cc", exe + ".s", "-o", exe], check=True)
            self.made[key] = exe
        return [self.made[key]]


# ---- output ----


def bad_output(b, e):
    with open("/dev/full", "wb") as full:
        b.expect(f"{e}: a full device", run(e.command(HELLO), stdout=full), 4, None,
                 "cannot write the program's output: No space left on device$")
        b.expect(f"{e}: a full device, long output", run(e.command(MANY), stdout=full), 4, None,
                 "cannot write the program's output: No space left on device$")
        b.expect(f"{e}: a full device and nothing to write", run(e.command("+"), stdout=full), 0, None, "")
    b.expect(f"{e}: closed output", run(e.command(HELLO), prepare=lambda: os.close(1), stdout=None), 4, None,
             "cannot write the program's output: Bad file descriptor$")
    with open("/dev/null", "rb") as reading:
        b.expect(f"{e}: output to what is open for reading", run(e.command(HELLO), stdout=reading), 4, None,
                 "cannot write the program's output: Bad file descriptor$")
    for ignored in True, False:
        r, w = os.pipe()
        os.close(r)
        prepare = lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
        got = run(e.command(HELLO), stdout=w, prepare=prepare)
        os.close(w)
        b.expect(f"{e}: a reader that is gone (SIGPIPE ignored: {ignored})", got, 4, None,
                 "cannot write the program's output: Broken pipe$")
    # A limit on the size of files is a signal by default (SIGXFSZ).
    with open("limited", "wb") as f:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        got = run(e.command(MANY), stdout=f, prepare=limit)
    b.expect(f"{e}: a file that may not grow", got, 4, None, "cannot write the program's output: File too large$")
    b.check(f"{e}: a file that may not grow has what fits", None if os.path.getsize("limited") == 1000 else "not")
    b.expect(f"{e}: closed messages", run(e.command("<.", "--strict"), prepare=lambda: os.close(2)), 3)


def slow_output(b, e):
    """A pipe that is not blocking and a reader that is slow: EAGAIN and short writes."""
    want = run([b.bfopt, "--ref", "-e", MANY])[1]
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(w, False)
    p = subprocess.Popen(e.command(MANY), stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE)
    os.close(w)
    got = b""
    while True:
        time.sleep(0.0005)
        part = os.read(r, 1500)
        if not part:
            break
        got += part
    os.close(r)
    err = p.communicate(timeout=LIMIT)[1]
    b.expect(f"{e}: a slow reader of a pipe that does not block", (p.returncode, got, err), 0, want, "")


# ---- input ----


def bad_input(b, e):
    b.expect(f"{e}: closed input", run(e.command("+.,."), stdin=None, prepare=lambda: os.close(0)), 4, b"\1",
             "cannot read the program's input: Bad file descriptor$")
    b.expect(f"{e}: closed input, not read", run(e.command("+."), stdin=None, prepare=lambda: os.close(0)), 0, b"\1", "")
    with open("/dev/null", "wb") as writing:
        b.expect(f"{e}: input from what is open for writing", run(e.command("+.,."), stdin=writing), 4, b"\1",
                 "cannot read the program's input: Bad file descriptor$")
    directory = os.open(".", os.O_RDONLY)
    b.expect(f"{e}: a directory as input", run(e.command("+.,."), stdin=directory), 4, b"\1",
             "cannot read the program's input: Is a directory$")
    os.close(directory)
    r, w = os.pipe()
    os.set_blocking(r, False)
    p = subprocess.Popen(e.command(CAT, "--eof=0"), stdin=r, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(r)
    for part in b"ab", b"c", b"", b"def":
        time.sleep(0.01)
        if part:
            os.write(w, part)
    os.close(w)
    out, err = p.communicate(timeout=LIMIT)
    b.expect(f"{e}: a slow writer of a pipe that does not block", (p.returncode, out, err), 0, b"abcdef", "")


# ---- system calls that fail ----


def inject(command, *faults, log=None):
    args = ["strace", "-f", "-qq", "-o", log or "/dev/null"]
    for f in faults:
        args += ["-e", "inject=" + f]
    if log:
        args += ["-e", "trace=all"]
    return args + command


def failing_io(b, e, full):
    # The program's own read is the last: those before are the loader's and the source's.
    command = e.command("+.,.")
    run(inject(command, log="calls"), data=b"x")
    reads = len(re.findall(r"^\d+ +read\(", open("calls").read(), re.M))
    writes = len(re.findall(r"^\d+ +write\(", open("calls").read(), re.M))
    b.check(f"{e}: strace shows the calls", None if reads and writes == 2 else f"{reads} reads, {writes} writes")
    b.expect(f"{e}: a read that fails", run(inject(command, f"read:error=EIO:when={reads}"), data=b"x"), 4, b"\1",
             "cannot read the program's input: Input/output error$")
    b.expect(f"{e}: a read that is interrupted", run(inject(command, f"read:error=EINTR:when={reads}"), data=b"x"),
             0, b"\1x", "")
    for error, text in ("EIO", "Input/output error"), ("ENOSPC", "No space left on device"), ("EDQUOT", "Disk quota exceeded"):
        for n in 1, 2:
            b.expect(f"{e}: write {n} fails: {error}", run(inject(command, f"write:error={error}:when={n}"), data=b"x"),
                     4, b"\1" if n == 2 else b"", f"cannot write the program's output: {text}$")
    b.expect(f"{e}: every second write is interrupted", run(inject(command, "write:error=EINTR:when=1+2"), data=b"x"),
             0, b"\1x", "")
    b.expect(f"{e}: writes wait", run(inject(command, "write:error=EAGAIN:when=1+2"), data=b"x"), 0, b"\1x", "")
    # A close can tell of the write before it (quotas, network files).
    text = open("calls").read()
    last = len(re.findall(r"^\d+ +close\(", text, re.M))
    if re.search(r"^\d+ +close\(1\)", text, re.M):
        at = len(re.findall(r"^\d+ +close\(", text[:re.search(r"^\d+ +close\(1\)", text, re.M).end()], re.M))
        b.expect(f"{e}: closing the output fails", run(inject(command, f"close:error=EIO:when={at}"), data=b"x"),
                 4, b"\1x", "cannot write the program's output: Input/output error$")
    else:
        b.check(f"{e}: the output is closed", f"{last} calls of close, none of them on 1")


def after_start(log):
    """How many calls of each kind the loader makes, which is not ours to test."""
    before = {}
    for line in open(log):
        name = re.match(r"\d+ +(\w+)\(", line)
        if not name:
            continue
        # The first thing main does: bfopt looks at its descriptors, a program of its own ignores SIGPIPE.
        if "F_GETFD" in line or "SIGPIPE" in line:
            return before
        before[name.group(1)] = before.get(name.group(1), 0) + 1
    return None


def failing_memory_calls(b, e, full):
    """Every mmap and so on fails, once and from then on."""
    code = "+.>,[->+<]>."
    failing_calls(b, e, e.command(code), code)
    if not e.assembled:
        large_source("large.b", code)
        failing_calls(b, f"{e}, a large file", [b.bfopt, *e.options, "large.b"], code)


def failing_calls(b, e, command, code):
    want = run([b.bfopt, "--ref", "-e", code], data=b"x")[1]
    run(inject(command, log="calls"), data=b"x")
    before = after_start("calls")
    text = open("calls").read()
    if before is None:
        b.check(f"{e}: the start of main is seen", "no")
        return
    for call in "mmap", "mprotect", "munmap", "sigaltstack", "rt_sigaction", "madvise", "prctl":
        total = len(re.findall(rf"^\d+ +{call}\(", text, re.M))
        for n in range(before.get(call, 0) + 1, total + 1):
            for when in f"{n}", f"{n}+":
                got = run(inject(command, f"{call}:error=ENOMEM:when={when}"), data=b"x")
                b.count("system calls that failed")
                ok = (got[0] == 0 and got[1] == want) or \
                     (got[0] == 1 and re.search(rb"error: .*(memory|machine code|faults)", got[2]) and
                      want.startswith(got[1]))
                b.check(f"{e}: {call} number {when} fails",
                        None if ok else f"status {got[0]}, {got[1]!r}, {got[2][-300:]!r}")


# ---- bfopt's own files ----

MAKES = [["-S"], ["--dump-ir"], ["--dump-ir=dot"], ["--dump-asm"], ["--help"], ["--man"]]


def bad_files(b, full):
    code = ["-e", HELLO]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
    for make in MAKES:
        name = " ".join(make)
        b.expect(f"{name} -o in a full device", run([b.bfopt, *make, *code, "-o", "/dev/full"]), 4, b"",
                 "cannot write `/dev/full`: No space left on device$")
        b.expect(f"{name} -o file that may not grow", run([b.bfopt, *make, *code, "-o", "part"], prepare=limit), 4, b"",
                 "cannot write `part`: File too large$")
        b.check(f"{name} leaves no part of a file", "it does" if os.path.exists("part") else None)
        if STRACE:
            b.expect(f"{name} -o on a disk that is full", run(inject([b.bfopt, *make, *code, "-o", "part"],
                                                                     "write:error=ENOSPC:when=1")), 4, b"",
                     "cannot write `part`: No space left on device$")
            b.check(f"{name} leaves nothing of a file", "it does" if os.path.exists("part") else None)
        b.expect(f"{name} -o where there is no directory", run([b.bfopt, *make, *code, "-o", "none/part"]), 4, b"",
                 "cannot write `none/part`: No such file or directory$")
    if os.geteuid() == 0:
        # A file system of its own, really full.
        os.makedirs("small", exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", "small"], stderr=subprocess.DEVNULL).returncode == 0:
            try:
                b.expect("-S -o on a full file system", run([b.bfopt, "-S", *code, "-o", "small/part"]), 4, b"",
                         "cannot write `small/part`: No space left on device$")
                b.check("-S leaves no part there", "it does" if os.path.exists("small/part") else None)
                with open("small/out", "wb") as f:
                    b.expect("output on a full file system", run([b.bfopt, "-e", MANY], stdout=f), 4, None,
                             "cannot write the program's output: No space left on device$")
            finally:
                subprocess.run(["umount", "small"])
        with open("secret.b", "w") as f:
            f.write("+.")
        os.chmod("secret.b", 0)
        os.chmod(".", 0o755)
        nobody = lambda: os.setuid(65534)
        b.expect("a file that may not be read", run([b.bfopt, "secret.b"], prepare=nobody), 1, b"",
                 "cannot read `secret.b`: Permission denied$")
        b.expect("input that may not be read", run([b.bfopt, "-e", ",", "-i", "secret.b"], prepare=nobody), 4, b"",
                 "cannot read `secret.b`: Permission denied$")
        b.expect("a file that may not be written", run([b.bfopt, "-S", *code, "-o", "secret.b"], prepare=nobody), 4, b"",
                 "cannot write `secret.b`: Permission denied$")
    os.mkfifo("fifo")
    p = subprocess.Popen(["sh", "-c", "printf '+.' >fifo"])
    b.expect("a program from a FIFO", run([b.bfopt, "fifo"]), 0, b"\1", "")
    p.wait()
    b.expect("a program from a device", run([b.bfopt, "/dev/null"]), 0, b"", "")
    b.expect("a program that is a directory", run([b.bfopt, "/"]), 1, b"", "cannot read `/`: Is a directory$")
    b.expect("a program behind a file", run([b.bfopt, "fifo/x.b"]), 1, b"", "cannot read `fifo/x.b`: Not a directory$")
    b.expect("a name that is too long", run([b.bfopt, "x" * 5000]), 1, b"", "cannot read `x+`: File name too long$")
    if STRACE:
        b.expect("a program whose read fails", run(inject([b.bfopt, "input.b"], "read:error=EIO:when=3+")), 1, b"",
                 "cannot read `input.b`: Input/output error$")


# ---- sources that are mapped ----

LARGE = 1 << 20 # from this size on
LOST = "^bfopt: error: cannot read `lost.b`: it became shorter while it was read"
# A prints; the rest needs the text again: off the tape, `#`, a loop for the log, a listing.
LATE = [["--ref"], ["--interp"], ["--jit"], ["--jit", "--guard=off"], [], ["--sandbox"], ["--sandbox", "--ref"],
        ["--profile"], ["--profile=exact"], ["--debug-hash"], ["--perf-map", "--tier-threshold=2", "--tier-wait"],
        ["--tier-log", "--tier-threshold=2", "--tier-wait"]]


def large_source(name, code, size=LARGE + 5000):
    """Lines of comments, with the code at the end."""
    with open(name, "wb") as f:
        f.write((b"a comment" * 9 + b"\n") * (size // 82 + 1))
        f.seek(size - len(code))
        f.write(code.encode())
        f.truncate(size)


def wait_for(true):
    end = time.time() + LIMIT
    while not true() and time.time() < end:
        time.sleep(0.001)
    return true()


def child_maps(pid, file):
    """Has a child of the process mapped the file?  strace has others at first, to try what it can do."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return any(file in open(f"/proc/{child}/maps").read() for child in children.read().split())
    except OSError: # that one is gone
        return False


def mapped_sources(b):
    # Of any size around whole pages, the last byte is seen, and none behind it.
    for size in LARGE - 1, LARGE, LARGE + 1, LARGE + 4095, LARGE + 4096, LARGE + 4097:
        large_source("large.b", HELLO + "<[.", size)
        where = open("large.b", "rb").read().count(b"\n") + 1
        b.expect(f"{size} bytes: an error at the end", run([b.bfopt, "large.b"]), 2, b"", f"^large.b:{where}:\\d+: error: unmatched")
        large_source("large.b", HELLO + "<" + "+" * 65 + ".", size)
        b.expect(f"{size} bytes: a run at the end", run([b.bfopt, "large.b"]), 0, b"AA", "")
    if not STRACE:
        return
    mapping = r"mmap\(0x\w+, \d+, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_FIXED, \d+, 0\)"
    for what, size, wanted in ("a large file", LARGE, 1), ("a small one", LARGE - 1, 0):
        large_source("large.b", HELLO, size)
        run(inject([b.bfopt, "large.b"], log="calls"))
        got = len(re.findall(mapping, open("calls").read()))
        b.check(f"{what} is {'mapped' if wanted else 'read'}", None if got == wanted else f"{got} mappings")
    run(inject([b.bfopt, "-"], log="calls"), stdin=open("large.b", "rb"))
    b.check("standard input is read", "it is mapped" if re.search(mapping, open("calls").read()) else None)


def lost_sources(b):
    """Files that become shorter while they are mapped."""
    late = ",[-]" + HELLO + "[>+>+<<-]#+++[-]<<<<<."
    for how in LATE:
        name = " ".join(how)
        if SANITIZED and "--sandbox" in how: # a sanitizer's own calls at the end are not let through
            continue
        large_source("lost.b", late)
        p = subprocess.Popen([b.bfopt, *how, "lost.b"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        mapped = lambda: "lost.b" in open(f"/proc/{p.pid}/maps").read()
        waits = lambda: open(f"/proc/{p.pid}/syscall").read().startswith("0 0x0 ") # read of descriptor 0
        b.check(f"{name}: the source is mapped", None if wait_for(mapped) and wait_for(waits) else "no")
        os.truncate("lost.b", 100)
        out, err = p.communicate(b"x", timeout=LIMIT)
        b.expect(f"{name}: a source that became shorter in the run", (p.returncode, out, err), 1, b"A", LOST)
        where = re.search(rb"^lost.b:\d.*(error|sample)", err, re.M)
        b.check(f"{name}: no position in a text that is gone", where and repr(where.group()))
        if os.path.exists(f"/tmp/perf-{p.pid}.map"):
            os.unlink(f"/tmp/perf-{p.pid}.map")
    # In the midst of a listing: what is shown before waits for a reader.
    large_source("lost.b", "+[->+<]>" * 2000)
    p = subprocess.Popen([b.bfopt, "--dump-asm", "-O1", "--print-before=all", "lost.b", "-o", "part"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.read(p.stderr.fileno(), 1)
    os.truncate("lost.b", 100)
    out, err = p.communicate(timeout=LIMIT)
    b.expect("a listing of a source that became shorter", (p.returncode, out, err), 1, b"", LOST)
    b.check("no part of the listing is left", "there is one" if os.path.exists("part") else None)
    if not STRACE:
        return
    # While it is parsed: strace holds bfopt between mapping and reading.
    for left in 0, 100, LARGE:
        for code in HELLO, "[" + HELLO:
            large_source("lost.b", code)
            p = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=madvise:delay_exit=2000000:when=1", b.bfopt, "lost.b"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            b.check("the source is mapped", None if wait_for(lambda: child_maps(p.pid, "lost.b")) else "no")
            os.truncate("lost.b", left)
            out, err = p.communicate(timeout=LIMIT)
            b.expect(f"a source cut to {left} bytes before it is parsed", (p.returncode, out, err), 1, b"", LOST)
            b.check("and nothing else is said", None if err.count(b"\n") == 1 else repr(err))
    # The handler has no memory to put there.
    large_source("lost.b", HELLO)
    run(inject([b.bfopt, "lost.b"], log="calls"))
    text = open("calls").read()
    at = len(re.findall(r"^\d+ +mmap\(", text[:text.index("MAP_PRIVATE|MAP_FIXED, ", text.index("F_GETFD"))], re.M))
    p = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=madvise:delay_exit=2000000:when=1",
                          "-e", f"inject=mmap:error=ENOMEM:when={at + 1}+", b.bfopt, "lost.b"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: child_maps(p.pid, "lost.b"))
    os.truncate("lost.b", 100)
    out, err = p.communicate(timeout=LIMIT)
    b.expect("a source that became shorter, without memory", (p.returncode, out, err), 1, b"", "^bfopt: error: the program became shorter")


# ---- memory ----

ALLOCATING = [["--ref", "-e", "+[.-]"], ["--interp", "-O1", "-e", "+[.->,]"], ["--interp=switch", "-O3", "-e", "+[.->,]"],
              ["--jit", "-O0", "-e", "+[.->,]"], ["--jit", "-O3", "-e", "+[>+>++<<-]>.>."], ["-O2", "-e", "+[[->+<]>.<]"],
              ["-S", "-e", "+[.->,]", "-o", "made"], ["--dump-ir", "-e", "+[.->,]", "-o", "made"],
              ["--dump-ir=dot", "-e", "+[.->,]", "-o", "made"], ["--dump-asm", "-e", "+[.->,]", "-o", "made"],
              ["--validate-each", "--check-ra", "--tape=1", "-e", "+[.->,]"], ["--stats", "--time-passes", "-e", "+."],
              ["--strict", "--guard=off", "-e", "+.<."], ["--help"], ["--man"], ["--completion=bash"], ["--list-passes"]]


def failing_allocations(b, full):
    """Builds with assertions fail the N-th allocation on demand."""
    if run([b.bfopt, "-e", "+"], env={"BFOPT_FAIL_ALLOC": "1"})[0] != 1:
        print("allocations cannot be made to fail in this build")
        return
    for args in ALLOCATING:
        want = run([b.bfopt, *args])
        for mode in "", ",forever":
            n, step = 1, 1 if full else 7
            if not full and mode:
                n = 4
            survived = 0 # in a row: a failure that was made up for, or one that never came
            while True:
                if os.path.exists("made"):
                    os.unlink("made")
                got = run([b.bfopt, *args], env={"BFOPT_FAIL_ALLOC": f"{n}{mode}"})
                what = f"{' '.join(args)} with allocation {n}{mode} failing"
                if got[:2] == want[:2] and (b"out of memory" not in got[2]):
                    b.check(what, None)
                    survived += 1
                    if survived == 3:
                        break
                    n += 1
                    continue
                survived = 0
                b.count("allocations that failed")
                b.expect(what, got, 1, None, "^bfopt: error: out of memory$")
                b.check(what + ": output", None if want[1].startswith(got[1]) else f"{got[1][:60]!r}")
                b.check(what + ": file", "a part is left" if os.path.exists("made") and "-o" in args else None)
                n += step


# Four loops that get hot, with one that never runs and is called; it prints.
UNITS = "++++[>++++[>[.>.>.>.>.>.>.>.>.>.<<<<<<<<<-]+++[.-]<-]>+++[>++[>+<-]<-]<<-]"
OWN = 30 # more than a run makes that compiles nothing


def failing_compilations(b, full):
    """Memory that runs out while a loop is compiled, by whichever thread, leaves that loop to the interpreter: the run
    goes on.  Only a run's own few allocations end it."""
    if run([b.bfopt, "-e", "+"], env={"BFOPT_FAIL_ALLOC": "1"})[0] != 1:
        return
    want = run([b.bfopt, "--ref", "-e", UNITS])[1]
    # What was lost when an attempt was given up is a leak.
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    command = [b.bfopt, "--tier-threshold=2", "--stats", "-e", UNITS]
    n = ended = survived = 0
    while True:
        n += 1 if full or n < OWN else 29
        waiting = run([*command, "--tier-wait"], env={**env, "BFOPT_FAIL_ALLOC": f"{n}"})
        if waiting[0] == 0 and b"tiers.failed 0\n" in waiting[2] and b"baseline.failed 0\n" in waiting[2]:
            survived += 1 # the failure was made up for, or never came
            if survived == 3:
                break
            continue
        survived = 0
        for how, got in ("waited for", waiting), ("in a thread", run(command, env={**env, "BFOPT_FAIL_ALLOC": f"{n}"})):
            b.count("allocations that failed")
            what = f"compiling, {how}, with allocation {n} failing"
            if got[0] == 0:
                b.expect(what, got, 0, want, "^(tiers|baseline).failed 1$" if how == "waited for" else None)
            else:
                ended += 1
                b.expect(what, got, 1, None, "^bfopt: error: out of memory$")
                b.check(what + ": output", None if want.startswith(got[1]) else f"{got[1][:60]!r}")
    b.check("runs ended by compiling", f"{ended} of those with {n} allocations" if ended > 2 * OWN or n < 20 * OWN else None)
    got = run([*command, "--tier-wait", "--tier-log"], env={**env, "BFOPT_FAIL_ALLOC": "200"})
    b.expect("the log says why there is no unit", got, 0, want, "loop cannot be compiled: out of memory$")


def little_memory(b, e):
    """Real limits instead of made-up failures."""
    if SANITIZED:
        return
    for what, kind, sizes in (("address space", resource.RLIMIT_AS, (3, 5, 10, 20, 30, 50, 100, 300, 1000, 5000)),
                              ("data", resource.RLIMIT_DATA, (1, 2, 4, 8, 16, 20, 32, 64, 80, 128))):
        for mib in sizes:
            limit = lambda: resource.setrlimit(kind, (mib << 20, mib << 20))
            got = run(e.command(HELLO), prepare=limit)
            loader = mib <= 20 and (got[0] == 127 or got[0] in (-signal.SIGSEGV, -signal.SIGKILL)) # had no room
            ok = got[:2] == (0, b"A") or (got[0] == 1 and b"memory" in got[2]) or loader
            b.check(f"{e}: in {mib} MiB of {what}", None if ok else f"status {got[0]}, {got[1]!r}, {got[2][-300:]!r}")
    # Room for an operation a byte is not to be had; what is needed, is.
    with open("sparse.b", "wb") as f:
        f.write(b"+ " * 1000 + b" " * (40 << 20) + b">-" * 1000 + b"<" * 1000 + b".")
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
    if not e.assembled:
        b.expect(f"{e}: 40 MB of comments in 200 MiB", run([b.bfopt, *e.options, "-O0", "sparse.b"], prepare=limit), 0,
                 bytes([1000 % 256]), "")
    limit = lambda: resource.setrlimit(resource.RLIMIT_STACK, (64 << 10, 64 << 10))
    b.expect(f"{e}: 64 KiB of stack", run(e.command("+[[[[[[[[[[->+<]]]]]]]]]]" + HELLO), prepare=limit), 0, None, "")


# ---- signals and terminals ----


def signals(b, e):
    for number, name in (signal.SIGINT, "INT"), (signal.SIGTERM, "TERM"), (signal.SIGHUP, "HUP"), (signal.SIGQUIT, "QUIT"):
        p = subprocess.Popen(e.command(ENDLESS), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until_busy(p.pid)
        p.send_signal(number)
        out, err = p.communicate(timeout=LIMIT)
        err = re.sub(rb"^.*warning: this loop never ends.*\n.*\n.*\n", b"", err)
        b.expect(f"{e}: SIG{name}", (p.returncode, out, err), 128 + number, b"A", "")
    # nohup, and background jobs of shells.
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    p = subprocess.Popen(e.command(ENDLESS), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=ignore)
    wait_until_busy(p.pid)
    p.send_signal(signal.SIGINT)
    time.sleep(0.05)
    alive = p.poll() is None
    p.terminate()
    p.communicate(timeout=LIMIT)
    b.check(f"{e}: an ignored SIGINT stays ignored", None if alive else "it does not")


def interrupted_profiles(b):
    """A run with a profile ends when it is asked to, wherever it is: what it wrote comes out, then the report, the
    status says why.  A second signal ends it at once."""
    for how in ["--profile"], ["--profile=exact"], ["--profile", "--tier-threshold=2", "--tier-wait"]:
        for code, where in ("[]", "a loop"), ("[>+[>+<-]<]", "loops"), ("[>,.<]", "input that waits"), ("[>.<]", "output"), \
                           ("[[>]+[<]>[-]+]", "scans"):
            p = subprocess.Popen([b.bfopt, *how, "-e", HELLO + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            waits = "," in code or "." in code # for input, or to be read
            got = read_until(p.stdout.fileno(), b"A") if waits else b""
            if not waits:
                wait_until_busy(p.pid)
            time.sleep(0.5 if where == "scans" else 0.02) # the scans get longer and longer
            p.send_signal(signal.SIGINT)
            end = time.time() + LIMIT
            while p.poll() is None and time.time() < end and select.select([p.stdout], [], [], LIMIT)[0]:
                more = os.read(p.stdout.fileno(), 65536)
                got += more
                if not more:
                    break
            out, err = p.communicate(timeout=LIMIT)
            got = got.strip(b"\0") + out.strip(b"\0") # of a loop of output, however many
            b.expect(f"{' '.join(how)}: SIGINT in {where}", (p.returncode, got, err), 130, b"A", r"processor time in the run, \d+ samples?")
    # There can be no timer: no samples, and nobody who would end the run.
    limit = lambda: resource.setrlimit(11, (0, 0)) # RLIMIT_SIGPENDING
    got = run([b.bfopt, "--profile", "-e", HELLO], prepare=limit)
    b.expect("--profile without a timer", got, 0, b"A", r"processor time in the run, 0 samples")
    p = subprocess.Popen([b.bfopt, "--profile", "-e", ENDLESS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=limit)
    wait_until_busy(p.pid)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=LIMIT)
    b.expect("--profile without a timer: SIGINT", (p.returncode, out, err), 130, b"A")
    # A second signal, here before anything could be done about the first one.
    p = subprocess.Popen([b.bfopt, "--profile", "-e", ENDLESS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_until_busy(p.pid)
    p.send_signal(signal.SIGSTOP)
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGTERM)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=LIMIT)
    b.expect("--profile: two signals at once", (p.returncode, out, err), 143, b"A")
    b.check("--profile: and no report", None if b"samples" not in err else repr(err))


def wait_until_busy(pid):
    """The program is in its endless loop once it has used some processor time."""
    for _ in range(2000):
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        if int(fields[11]) + int(fields[12]) >= (15 if SANITIZED else 6): # ticks of 10 ms
            return
        time.sleep(0.005)


def read_until(fd, want, seconds=LIMIT):
    got = b""
    end = time.time() + seconds
    while want not in got and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                got += os.read(fd, 1000)
            except OSError: # the other side is gone
                break
    return got


def terminals(b, e):
    # A line is seen when it ends, not when the program does.
    code = "++++++++++>++++++++[>++++++++<-]>+.<<.,." # A, newline, then a byte of input
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(e.command(code)[0], e.command(code))
    got = read_until(fd, b"A\r\n")
    b.check(f"{e}: a line on a terminal", None if got.endswith(b"A\r\n") else repr(got))
    os.write(fd, b"z\n")
    got = read_until(fd, b"zz", 5) + read_until(fd, b"\0\0", 0.2)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    b.check(f"{e}: input from a terminal", None if status == 0 and b"z" in got else f"status {status}, {got!r}")
    # Control-C where the program waits for input, and where it computes.
    for code, seen in ("++++++++[>++++++++<-]>+.,", b"A"), (ENDLESS, b""):
        pid, fd = pty.fork()
        if pid == 0:
            os.execvp(e.command(code)[0], e.command(code))
        got = read_until(fd, seen) if seen else b""
        if not seen:
            wait_until_busy(pid)
        os.write(fd, b"\3")
        got += read_until(fd, b"A") if not seen else b""
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
        b.check(f"{e}: control-C, {code[-2:]}", None if status == 130 and b"A" in got else f"status {status}, {got!r}")
    # Control-D is the end of input.
    pid, fd = pty.fork()
    if pid == 0:
        command = e.command("++++++++[>++++++++<-]>+.,+.", "--eof=0")
        os.execvp(command[0], command)
    read_until(fd, b"A")
    os.write(fd, b"\4")
    got = read_until(fd, b"\1", 5)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    b.check(f"{e}: control-D", None if status == 0 and b"\1" in got else f"status {status}, {got!r}")


def steps(b):
    """--max-steps counts single commands of the source, exactly."""
    for code, needed in ("", 0), ("+", 1), ("+++", 3), ("++[-]", 7), ("+>-<.", 5), ("+++[->++<]", 22):
        for n in range(needed + 2):
            got = run([b.bfopt, f"--max-steps={n}", "-e", code])
            b.expect(f"--max-steps={n} -e {code}", got, 0 if n >= needed else 5, None,
                     "" if n >= needed else "error: stopped here by --max-steps$")
    b.expect("--max-steps writes what there is", run([b.bfopt, "--max-steps=1k", "-e", ENDLESS]), 5, b"A")


def main():
    full = "--full" in sys.argv
    b = Bench([a for a in sys.argv[1:] if not a.startswith("-")][0])
    work = tempfile.mkdtemp()
    os.chdir(work)
    with open("input.b", "w") as f:
        f.write("+.")
    engines = [Engine(b, options) for options in ENGINES] + [Engine(b, ["-S"], assembled=True)]
    try:
        for number, e in enumerate(engines):
            bad_output(b, e)
            bad_input(b, e)
            slow_output(b, e)
            little_memory(b, e)
            if full or number in (0, 3, 6, 7):
                signals(b, e)
                terminals(b, e)
            if STRACE:
                failing_io(b, e, full)
                if full or number in (1, 6, 7):
                    failing_memory_calls(b, e, full)
        interrupted_profiles(b)
        mapped_sources(b)
        lost_sources(b)
        bad_files(b, full)
        steps(b)
        failing_allocations(b, full)
        failing_compilations(b, full)
    finally:
        os.chdir("/")
        shutil.rmtree(work)
    for what, n in b.counts.items():
        print(f"{n} {what}")
    print(f"{b.passed} passed, {b.failed} failed")
    sys.exit(b.failed != 0)


if __name__ == "__main__":
    main()
