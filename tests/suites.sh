# suites.sh: the suites of ./dev test, read by run.sh.  Cheap ones first.
suite selftest sh tests/selftest.sh "$build"
suite layout sh tests/layout.sh
suite ops sh tests/ops.sh
suite passes sh tests/passes.sh "$build"
suite docs python3 tests/docs.py "$build"
suite bench python3 tests/bench/selftest.py "$build"
suite unit sh tests/unit.sh "$build"
suite filetest "$build/tests/filetest" tests/ir
suite irfuzz "$build/tests/irfuzz" -n "${test_irfuzz:-8000}" tests/ir
suite targets "$build/tests/replay" -n "${test_targets:-1500}" tests/fuzz/corpus
suite counts "$build/tests/counts" tests/counts.txt samples/*.b
suite must-fail "$build/tests/filetest" --must-fail tests/must-fail
suite cli sh tests/cli/run.sh "$build"
suite objdump python3 tests/objdump.py "$build"
suite faults python3 tests/faults.py "$build"
suite facts sh tests/facts.sh "$build"
suite tape python3 tests/tape.py "$build"
suite scale python3 tests/bench/scale.py --bfopt "$build/bfopt" --scale "${test_scale:-0.08}" \
    --engines default,jit-O2,interp-O1
suite programs sh tests/programs.sh "$build"
suite regress "$build/tests/fuzz" --all --check-ra files tests/regress/*.b
suite random "$build/tests/fuzz" --check-ra --asm=150 random "${test_random:-3000}" 1
suite exhaustive "$build/tests/fuzz" --quick exhaustive "${test_length:-6}"
