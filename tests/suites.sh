# suites.sh: the suites of ./dev test, read by run.sh.  Cheap ones first.
suite layout sh tests/layout.sh
suite unit sh tests/unit.sh "$build"
suite cli sh tests/cli/run.sh "$build"
