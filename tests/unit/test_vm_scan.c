/* test_vm_scan.c: scans of the interpreter, with all vectors there are: by all strides, in both
 * directions, from everywhere to everywhere and off the tape, against the definition. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/vm/interp.h"
#include "runtime/rt.h"

static uint64_t get(const struct tape *t, int64_t cell) {
    uint64_t x = 0;
    memcpy(&x, t->base + cell * t->cell_bytes, t->cell_bytes);
    return x;
}

/* The lane of cell `zero` holds no other zero but perhaps bytes that are; other lanes hold many. */
static void prepare(struct tape *t, int64_t zero, int64_t stride) {
    int64_t n = (int64_t)tape_cells(t);
    for (int64_t i = 0; i < n; i++) {
        uint64_t x = (i - zero) % stride == 0 ? UINT64_C(1) << i % (8 * t->cell_bytes) : 0;
        memcpy(t->base + i * t->cell_bytes, &x, t->cell_bytes);
    }
    memset(t->base + zero * t->cell_bytes, 0, t->cell_bytes);
}

static void check(const struct tape *t, vm_scan *scan, int64_t from, int64_t stride) {
    int64_t n = (int64_t)tape_cells(t), at = from, bytes = t->cell_bytes;
    while (at >= 0 && at < n && get(t, at) != 0)
        at += stride;
    const uint8_t *found = scan(t, t->base + from * bytes, stride * bytes);
    cr_assert_eq((int64_t)(intptr_t)found - (int64_t)(intptr_t)t->base, at * bytes,
                 "%d bytes a cell, from %d by %d", (int)bytes, (int)from, (int)stride);
}

Test(vm_scan, finds_the_first_zero) {
    for (enum vm_vectors v = VM_NO_VECTORS; v <= vm_native_vectors(); v++) {
        for (unsigned bits = 8; bits <= 64; bits *= 2) {
            struct tape t;
            cr_assert(tape_map(&t, 1, bits / 8, 0, true));
            int64_t n = (int64_t)tape_cells(&t);
            vm_scan *scan = vm_scan_for(bits, v);
            for (int64_t stride = 1; stride <= 20; stride++) {
                for (int64_t zero = 0; zero < n; zero += zero < 70 || zero > n - 70 ? 5 : 311) {
                    prepare(&t, zero, stride);
                    for (int64_t k = -90; k <= 90; k += k < -20 || k > 20 ? 3 : 1) {
                        int64_t from = zero + k * stride;
                        if (from >= 0 && from < n) {
                            check(&t, scan, from, stride);
                            check(&t, scan, from, -stride);
                        }
                    }
                    check(&t, scan, zero % stride, stride);
                    check(&t, scan, n - 1 - (n - 1 - zero) % stride, -stride);
                }
            }
            tape_unmap(&t);
        }
    }
}
