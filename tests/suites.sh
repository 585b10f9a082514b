# suites.sh: the suites of ./dev test, read by run.sh.  Cheap ones first.
suite layout sh tests/layout.sh
suite unit sh tests/unit.sh "$build"
suite ops sh tests/ops.sh
suite filetest "$build/tests/filetest" tests/ir
suite irfuzz "$build/tests/irfuzz" -n 8000 tests/ir
suite must-fail "$build/tests/filetest" --must-fail tests/must-fail
suite cli sh tests/cli/run.sh "$build"
