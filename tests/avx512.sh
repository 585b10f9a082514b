#!/bin/sh
# avx512.sh BUILD FUZZ: ./dev avx512: runs what compares 64 bytes at once where no processor can: in a machine
# that Bochs emulates, with Debian's kernel and a file system of what the tests need, made here.
#
#   BUILD  a build with tests;  FUZZ  one of the fuzzer that optimizes, for a hundred times slower is slow enough
#
# In it tests/avx512_init.sh is the first process.  What it prints comes through a serial line: a line for
# each check and END.  Bochs' processor is corei7_skylake_x; its time tells nothing about a real one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd) fuzz=$(cd "$2" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "avx512: $*" >&2; exit 1; }

# The program: a lane of 700 cells in every third place, scanned both ways, as machine code and as -S prints it.
echo "avx512: making a file system" >&2
mkdir -p root/bin root/dev root/proc root/tmp root/samples iso/isolinux
{
    printf '>>>'
    for n in $(seq 700); do printf '+>>>'; done
    printf '<<<[<<<]+++++.[-]>>>[>>>]++++++.<<<[-<<<]+++++++.'
} >root/samples/lane.b
"$build/bfopt" --ref root/samples/lane.b >root/samples/lane.out || fail "no output of the reference"
for name in lane rot13 reverse wc; do
    [ "$name" = lane ] || cp "$here/../samples/$name".* root/samples/
    for cpu in x86-64 v3 v4; do
        "$build/bfopt" -S -O2 --prerun-steps=0 --cpu=$cpu "root/samples/$name.b" -o "$name.s" &&
            gcc -static -x assembler "$name.s" -o "root/samples/$name.$cpu" || fail "no program $name"
    done
done
cp "$build/bfopt" "$build/tests/test_scan" "$build/tests/test_vm_scan" root/bin/
cp "$fuzz/tests/fuzz" root/bin/fuzz
cp /bin/busybox root/bin/busybox
cp "$here/avx512_init.sh" root/init
chmod +x root/init
ldd root/bin/bfopt root/bin/test_scan root/bin/test_vm_scan root/bin/fuzz |
    sed -n 's/.*[[:space:]]\(\/[^ ]*\) (.*/\1/p' | sort -u | while read -r library; do
    mkdir -p "root$(dirname "$library")" && cp -L "$library" "root$library"
done
(cd root && find . | cpio -o -H newc 2>/dev/null | gzip -1) >iso/root.gz

package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
{ chmod 777 . && apt-get download -q "$package" && dpkg-deb -x linux-image*.deb kernel; } >log 2>&1 ||
    { cat log >&2; fail "no kernel"; }
cp kernel/boot/vmlinuz-* iso/vmlinuz
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 iso/isolinux/
# Without XSAVEC and XSAVES (321, 323): Bochs 2.7 states another size for what they save than Linux finds.
cat >iso/isolinux/isolinux.cfg <<'END'
default bfopt
label bfopt
    kernel /vmlinuz
    append initrd=/root.gz console=ttyS0 quiet mitigations=off nosmp acpi=off noxsaves clearcpuid=321,323
END
xorriso -as mkisofs -quiet -o disc -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table iso >log 2>&1 || { cat log >&2; fail "no disc"; }

cat >bochsrc <<'END'
display_library: term
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=50000000
clock: sync=none
ata0: enabled=1
ata0-master: type=cdrom, path=disc, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial
log: bochs.log
error: action=ignore
info: action=ignore
END
echo c >commands # it starts in its debugger
echo "avx512: starting Bochs" >&2
: >serial
TERM=linux script -qec "exec bochs -q -f $work/bochsrc -rc commands" /dev/null </dev/null >bochs.out 2>&1 &
machine=$!
trap 'pkill -KILL -f "$work/bochsrc"; rm -rf "$work"' EXIT
# It draws on a terminal of its own, and stands still when nobody reads what it draws.
screen=
while [ -z "$screen" ] && kill -0 $machine 2>/dev/null; do
    sleep 1
    screen=$(sed -n 's/^Bochs connected to screen "\(.*\)".*/\1/p' bochs.out)
done
[ -z "$screen" ] || { stty raw -echo <"$screen" && cat "$screen" >/dev/null 2>&1 & }
waited=0
until grep -aq '^END' serial || [ $waited -ge 3000 ] || ! kill -0 $machine 2>/dev/null; do
    sleep 2
    waited=$((waited + 2))
done
grep -aE '^(ok|FAIL| )' serial | tr -d '\r'
passed=$(grep -ac '^ok' serial) failed=$(grep -ac '^FAIL' serial)
grep -aq '^END' serial || { tail -n 5 serial; failed=$((failed + 1)); }
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
