/* standalone.c: the run time of a program that `bfopt -S` made, as one file.
 *
 * The build compiles it to assembly text, which bfopt carries and prints after the program's own
 * code and tables: together they are a program that needs nothing but libc.  It maps the tape, runs
 * the code, and ends as bfopt would: the same messages, the same exit statuses.
 */
#include "runtime/fault.c"
#include "runtime/io.c"
#include "runtime/tape.c"

#include <stdio.h>
#include <stdlib.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* What the assembly printer writes for each program (backend/x64/asm.c). */
struct bf_position {
    uint32_t src, line, column;
};
struct bf_config {
    uint64_t cells, drift;
    uint32_t cell_bytes, eof, checks, nsites, npositions;
};
extern HIDDEN uint8_t *bf_program(struct rt *rt, uint8_t *pointer);
extern HIDDEN const uint8_t bf_program_end[], bf_program_exit[];
extern HIDDEN const struct trap_site bf_sites[];
extern HIDDEN const struct bf_position bf_positions[]; /* sorted by src */
extern HIDDEN const struct bf_config bf_config;
extern HIDDEN const char bf_name[];

static struct rt bf_rt;

static const struct bf_position *bf_position_of(uint32_t src) {
    static const struct bf_position nowhere;
    uint32_t low = 0, high = bf_config.npositions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bf_positions[middle].src < src)
            low = middle + 1;
        else
            high = middle;
    }
    return low < bf_config.npositions && bf_positions[low].src == src ? &bf_positions[low]
                                                                      : &nowhere;
}

/* "prog.b:3:7: error: ", or without position. */
static void bf_error(uint32_t line, uint32_t column) {
    if (line != 0)
        fprintf(stderr, "%s:%u:%u: error: ", bf_name, line, column);
    else
        fprintf(stderr, "%s: error: ", bf_name);
}

static void bf_off_tape(void) {
    const struct bf_position *p = bf_position_of(bf_rt.end_src);
    bf_error(p->line, p->column);
    if (bf_rt.end_cell < 0)
        fprintf(stderr, "cell %lld is left of the tape\n", (long long)bf_rt.end_cell);
    else
        fprintf(stderr, "cell %lld is right of the tape, which has %llu cells\n",
                (long long)bf_rt.end_cell, (unsigned long long)tape_cells(&bf_rt.tape));
}

/* Reports how the run ended; the exit status. */
static int bf_ending(void) {
    switch (bf_rt.end) {
    case RUN_DONE:
    case RUN_MAX_STEPS:
        return 0;
    case RUN_OFF_TAPE:
        bf_off_tape();
        return 3;
    case RUN_IN_ERROR:
        bf_error(0, 0);
        fprintf(stderr, "cannot read the program's input: %s\n", strerror(bf_rt.end_errno));
        return 4;
    case RUN_OUT_ERROR:
        bf_error(0, 0);
        fprintf(stderr, "cannot write the program's output: %s\n", strerror(bf_rt.end_errno));
        return 4;
    case RUN_INTERRUPTED:
        return 128 + bf_rt.end_errno;
    }
    return 1;
}

/* ---- `#` ---- */

#define BF_WINDOW 16

static uint64_t bf_cell(const struct tape *t, int64_t i) {
    uint64_t v = 0;
    memcpy(&v, t->base + i * (int64_t)t->cell_bytes, t->cell_bytes);
    return v;
}

static int bf_hash(struct rt *rt, uint8_t *pointer, uint32_t src) {
    if (rt_flush(rt) != 0)
        return 1;
    int64_t bytes = (int64_t)((uintptr_t)pointer - (uintptr_t)rt->tape.base);
    int64_t at = bytes / (int64_t)rt->tape.cell_bytes, cells = (int64_t)tape_cells(&rt->tape);
    int64_t first = at - BF_WINDOW / 2;
    if (first > cells - BF_WINDOW)
        first = cells - BF_WINDOW;
    if (first < 0)
        first = 0;
    const struct bf_position *p = bf_position_of(src);
    fprintf(stderr, "%s:%u:%u: # pointer %lld, cells %lld to %lld:", bf_name, p->line, p->column,
            (long long)at, (long long)first, (long long)first + BF_WINDOW - 1);
    for (int64_t i = first; i < first + BF_WINDOW; i++)
        fprintf(stderr, i == at ? " [%llu]" : " %llu", (unsigned long long)bf_cell(&rt->tape, i));
    fputc('\n', stderr);
    return 0;
}

/* ---- the program ---- */

static bool bf_set_up(void) {
    const struct bf_config *c = &bf_config;
    rt_io_init(&bf_rt, STDIN_FILENO, STDOUT_FILENO, (enum eof_mode)c->eof);
    bf_rt.hash = bf_hash;
    if (tape_map(&bf_rt.tape, c->cells, c->cell_bytes, c->drift, c->checks == 0) &&
        (bf_rt.tape.guard != 0 || c->checks != 0))
        return true;
    bf_error(0, 0);
    fprintf(stderr, "no memory for a tape of %llu cells%s\n", (unsigned long long)c->cells,
            bf_rt.tape.base != NULL ? " and its guard pages" : "");
    return false;
}

static bool bf_run(void) {
    struct fault_unit unit = {
        .code = (const uint8_t *)(uintptr_t)&bf_program,
        .size = (uint32_t)(bf_program_end - (const uint8_t *)(uintptr_t)&bf_program),
        .site = bf_sites,
        .nsite = bf_config.nsites,
        .exit_stub = bf_program_exit,
    };
    if (!fault_install(&bf_rt)) {
        bf_error(0, 0);
        fputs("no memory to catch faults\n", stderr);
        return false;
    }
    fault_add(&unit);
    bf_program(&bf_rt, bf_rt.tape.base);
    fault_remove();
    return true;
}

int main(void) {
    /* A reader that is gone, or a file that may not grow, is an error of write like any other. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (!bf_set_up())
        return 1;
    rt_catch_signals(&bf_rt);
    if (!bf_run())
        return 1;
    rt_flush(&bf_rt);
    if (close(STDOUT_FILENO) != 0 && errno != EBADF && errno != EINTR && bf_rt.end == RUN_DONE) {
        bf_rt.end = RUN_OUT_ERROR;
        bf_rt.end_errno = errno;
    }
    return bf_ending();
}
