#!/usr/bin/env python3
"""threads.py BUILD [COUNT [SEED]]: the two threads of the default mode under ThreadSanitizer.

BUILD is built with -Db_sanitize=thread.  Run are the tests of the tiers (test_tiers.c), the samples and COUNT random
programs, with loops that are hot at once to late.  A report of the sanitizer, another output than the reference's, or
another status is a failure.  Machine code is not instrumented: it is seen as far as it calls the run time.
"""

import os
import glob
import subprocess
import sys

LIMIT = 120
OPTIONS = ["exitcode=99", "halt_on_error=0", "allocator_may_return_null=1",
           "report_thread_leaks=0"] # a thread that still compiles when the run is over is left alone
ENV = {**os.environ, "TSAN_OPTIONS": ":".join(OPTIONS)}
THRESHOLDS = 1, 2, 5, 20

passed = failed = 0


def check(what, problem):
    global passed, failed
    if problem:
        failed += 1
        print(f"FAIL {what}: {problem}", flush=True)
    else:
        passed += 1


def plain_addresses():
    """Where the kernel spreads addresses further than the sanitizer expects, it has to be told not to."""
    ok = subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0
    return ["setarch", "-R"] if ok else []


def run(command, data=b"", env=None, limit=LIMIT):
    try:
        p = subprocess.run(PREFIX + command, input=data, capture_output=True, timeout=limit, env={**ENV, **(env or {})})
    except subprocess.TimeoutExpired:
        return "no end", b"", b""
    return p.returncode, p.stdout, p.stderr


def compare(what, got, status, out):
    report = got[2].find(b"WARNING: ThreadSanitizer")
    if report >= 0:
        check(what, got[2][report:report + 3000].decode(errors="replace"))
    elif got[:2] != (status, out):
        check(what, f"status {got[0]}, {got[1][-80:]!r} {got[2][-300:]!r}, not {status}, {out[-80:]!r}")
    else:
        check(what, None)


def races_are_seen():
    """Else none would be found: two threads of the sanitizer's own kind of example."""
    code = ("#include <pthread.h>\nint n;\nstatic void *f(void *p) { n++; return p; }\n"
            "int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); n++; return pthread_join(t, 0); }\n")
    exe = os.path.join(BUILD, "race")
    subprocess.run(["cc", "-g", "-fsanitize=thread", "-x", "c", "-", "-o", exe], input=code.encode(), check=True)
    got = run([exe])
    check("a race is reported", None if got[0] == 99 and b"data race" in got[2] else f"status {got[0]}")


def tiers_tests():
    global passed, failed
    got = run([os.path.join(BUILD, "tests", "threads_tiers")], limit=10 * LIMIT)
    last = got[1].decode().splitlines()[-1:] or ["none"]
    words = last[0].split()
    if len(words) == 4 and words[1] == "passed,":
        passed += int(words[0])
        failed += int(words[2])
    else:
        check("test_tiers", f"status {got[0]}")
    if got[0] != 0:
        print(got[1].decode(), got[2].decode(errors="replace")[:6000], flush=True)


def samples():
    for name in sorted(glob.glob("samples/*.b")):
        want = open(name[:-2] + ".out", "rb").read()
        given = name[:-2] + ".in"
        data = open(given, "rb").read() if os.path.exists(given) else b""
        for threshold in THRESHOLDS:
            got = run([BFOPT, f"--tier-threshold={threshold}", name], data)
            compare(f"{name}, --tier-threshold={threshold}", got, 0, want)


def beside_the_run():
    """What else looks at a run while it is compiled: the log, samples for a profile, allocations that fail."""
    name = "samples/factorial.b"
    want = open("samples/factorial.out", "rb").read()
    for how in ["--tier-log"], ["--profile"], ["--stats", "--time-passes"]:
        compare(" ".join(how), run([BFOPT, "--tier-threshold=2", *how, name]), 0, want)
    for n in 100, 300, 1000, 3000:
        got = run([BFOPT, "--tier-threshold=2", "--stats", name], env={"BFOPT_FAIL_ALLOC": f"{n}"})
        compare(f"allocation {n} failing", got, 0, want)


def random_programs(count, seed):
    """Those that end soon.  Each with another threshold, drawn anew for each loop."""
    listed = run([os.path.join(BUILD, "tests", "fuzz"), "--print", "random", str(count), str(seed)])[1]
    compiled = 0
    for number, program in enumerate(listed.decode("latin-1").splitlines()):
        code = "".join(c for c in program if c in "+-<>.,[]")
        want = run([BFOPT, "--max-steps=300k", "-e", code], b"input")
        if want[0] != 0:
            continue
        threshold = THRESHOLDS[number % len(THRESHOLDS)]
        how = [f"--tier-threshold={threshold}", f"--tier-seed={number + 1}", "--stats"] # which waits for the thread
        got = run([BFOPT, *how, "-e", code], b"input")
        compiled += b"tiers.requests 0\n" not in got[2]
        compare(f"{' '.join(how)} -e '{code}'", got, 0, want[1])
    check("random programs compile", None if compiled >= count // 10 else f"{compiled} of {count}")


def main():
    races_are_seen()
    tiers_tests()
    samples()
    beside_the_run()
    random_programs(int(sys.argv[2]) if len(sys.argv) > 2 else 150, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


BUILD = os.path.abspath(sys.argv[1])
BFOPT = os.path.join(BUILD, "bfopt")
PREFIX = plain_addresses()
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
if __name__ == "__main__":
    main()
