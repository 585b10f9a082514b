#!/bin/busybox sh
# avx512_init.sh: the first process of the machine that tests/avx512.sh makes.
busybox=/bin/busybox
$busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mkdir -p /dev/shm && mount -t tmpfs tmp /dev/shm
exec >/dev/ttyS0 2>&1

check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@" >/tmp/out 2>&1; then
        echo "ok $what"
    else
        echo "FAIL $what: status $?"
        tail -n 12 /tmp/out | sed 's/^/  /'
    fi
}
same() { # SAMPLE COMMAND...: prints what it should
    sample=/samples/$1 input=/dev/null
    shift
    [ ! -f "$sample.in" ] || input=$sample.in
    "$@" <"$input" >/tmp/printed && cmp /tmp/printed "$sample.out"
}

echo
check "the processor has AVX-512" grep -q 'avx512bw.*avx512vl' /proc/cpuinfo
check "machine code takes it" eval 'bfopt --dump-asm --cpu=native /samples/lane.b | grep -q zmm'
for name in lane rot13 reverse wc; do
    for cpu in x86-64 v3 v4; do
        check "$name, -S --cpu=$cpu" same $name /samples/$name.$cpu
        check "$name, --jit --cpu=$cpu" same $name bfopt --jit -O2 --prerun-steps=0 --cpu=$cpu /samples/$name.b
    done
    check "$name, --interp" same $name bfopt --interp /samples/$name.b
    check "$name, tiers" same $name bfopt --tier-threshold=2 --tier-wait /samples/$name.b
done
check "each scan of the interpreter" test_vm_scan --jobs 1
check "each scan of machine code" test_scan --jobs 1 --filter 'scan/avx512'
check "random programs" fuzz --sample=6 --check-ra random 300 512
echo END
sleep 100000
