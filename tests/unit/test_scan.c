/* test_scan.c: scans of machine code, at every level this machine has: by all strides, in both
 * directions, from and to places near the edges of the tape, and off it.
 *
 * The tape is one or two pages between guards.  The lane scanned holds cells that are not 0 but
 * have bytes that are, the other lanes hold zeros. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/x64/isel.h"
#include "backend/x64/jit.h"
#include "runtime/alloc.h"
#include "runtime/rt.h"

#define SOURCE 77 /* offset of the scan */

static struct rt rt;

struct run {
    enum x64_level level;
    unsigned bits;
    int stride;
    int64_t from, off; /* the pointer, and what is looked at from it on */
    bool bounds;       /* code compares with the limits of the tape */
};

static struct func *scan_function(const struct run *r) {
    struct func *f = ir_new(r->bits);
    block b = ir_block_new(f, NO_BLOCK);
    f->entry = b;
    value p = ir_append(f, b, OP_TAPE, NO_VALUE, NO_VALUE, 0, 1);
    p = ir_append(f, b, OP_MOVE, p, NO_VALUE, r->from, 2);
    p = ir_append(f, b, OP_SCAN, p, NO_VALUE, r->off, SOURCE);
    ir_at(f, p)->stride = r->stride;
    ir_ret(f, b, p, 3);
    return f;
}

static void run(const struct run *r) {
    struct func *f = scan_function(r);
    struct isel_options select = {.check_bounds = r->bounds};
    struct mach *m = x64_select(f, &select);
    struct ra_options allocate = {.max_regs = 0};
    struct ra_stats stats = {0};
    struct mach *done = ra_allocate(m, &allocate, &stats);
    struct emitted *e = emit(done, r->level);
    struct jit_unit unit;
    const char *why;
    cr_assert(jit_make(&unit, e, &why), "%s", why);
    rt.end = RUN_DONE;
    rt.end_src = 0;
    cr_assert(jit_run(&rt, &unit));
    jit_free(&unit);
    emit_free(e);
    mach_free(done);
    mach_free(m);
    ir_free(f);
}

static void set_cell(unsigned bits, int64_t cell, uint64_t v) {
    memcpy(rt.tape.base + cell * (bits / 8), &v, bits / 8);
}

/* Fills the lane of cell `from` with what is not 0. */
static void fill(const struct run *r, int64_t cell) {
    int64_t cells = (int64_t)tape_cells(&rt.tape), step = r->stride < 0 ? -r->stride : r->stride;
    memset(rt.tape.base, 0, rt.tape.bytes);
    for (int64_t at = cell % step; at < cells; at += step)
        set_cell(r->bits, at, UINT64_C(1) << (at / step * 8 % r->bits));
}

/* Scans from `cell`; a zero is at `zero`, or the scan has to leave the tape. */
static void check(const struct run *given, int64_t cell, int64_t zero) {
    struct run r = *given;
    int64_t cells = (int64_t)tape_cells(&rt.tape), end = cell;
    r.from = cell - r.off;
    fill(&r, cell);
    if (zero >= 0 && zero < cells)
        set_cell(r.bits, zero, 0);
    while (end >= 0 && end < cells && end != zero)
        end += r.stride;
    run(&r);
#define WHERE                                                                                      \
    "level %d, %u bits, stride %d, from %lld, off %lld, zero %lld", (int)r.level, r.bits,          \
        r.stride, (long long)cell, (long long)r.off, (long long)zero
    if (end >= 0 && end < cells) {
        cr_assert_eq(rt.end, RUN_DONE, WHERE);
        cr_assert_eq(rt.end_pointer, end - r.off, WHERE);
    } else {
        cr_assert_eq(rt.end, RUN_OFF_TAPE, WHERE);
        cr_assert_eq(rt.end_cell, end, WHERE);
        cr_assert_eq(rt.end_src, SOURCE, WHERE);
    }
#undef WHERE
}

/* Zeros at, before and behind every place where a block may end; and none. */
static void check_zeros(const struct run *r, int64_t cell) {
    static const int steps[] = {0, 1, 3, 8, 9, 10, 15, 16, 17, 63, 64, 65, 71, 72, 73, 200};
    for (unsigned n = 0; n < sizeof steps / sizeof *steps; n++)
        check(r, cell, cell + steps[n] * r->stride);
    check(r, cell, -1);
}

static void check_starts(const struct run *r) {
    int64_t cells = (int64_t)tape_cells(&rt.tape);
    static const int near[] = {0, 1, 2, 7, 30, 63, 64, 65, 100, 129, 500};
    for (unsigned n = 0; n < sizeof near / sizeof *near; n++) {
        check_zeros(r, near[n]);
        check_zeros(r, cells - 1 - near[n]);
    }
}

static void check_strides(enum x64_level level, unsigned bits, bool bounds) {
    rt_io_init(&rt, -1, STDOUT_FILENO, EOF_UNCHANGED);
    cr_assert(tape_map(&rt.tape, bits == 16 ? 4096 : 1, bits / 8, 4096, true));
    for (int stride = -9; stride <= 9; stride++) {
        struct run r = {.level = level, .bits = bits, .stride = stride, .bounds = bounds};
        r.off = stride % 3 * 5;
        if (stride != 0)
            check_starts(&r);
    }
    tape_unmap(&rt.tape);
}

static void check_level(enum x64_level level) {
    for (unsigned bits = 8; bits <= 64; bits *= 2)
        check_strides(level, bits, false);
}

Test(scan, any_x86_64) {
    check_level(X64_LEVEL_BASE);
}

Test(scan, avx2) {
    if (x64_native_level() >= X64_LEVEL_V3)
        check_level(X64_LEVEL_V3);
}

Test(scan, avx512) {
    if (x64_native_level() >= X64_LEVEL_V4)
        check_level(X64_LEVEL_V4);
}

Test(scan, compares_with_the_limits) {
    check_strides(X64_LEVEL_BASE, 8, true);
}

Test(scan, stubs_for_short_strides) {
    cr_assert(x64_scan_helps(8, 1) && x64_scan_helps(8, -8) && x64_scan_helps(32, 4));
    cr_assert(!x64_scan_helps(8, 9) && !x64_scan_helps(8, -9) && !x64_scan_helps(64, 8));
}
