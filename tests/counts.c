/* counts.c: what bfopt makes of programs, in numbers, compared with those written down.
 *
 *   counts FILE PROGRAM.b...
 *
 * An optimization that is lost breaks no program; nothing but its own cases notices, and those are
 * small.  So FILE (tests/counts.txt) has, for each program and for groups of random programs, what
 * came out of each part of the compiler; a line that differs is printed and has failed.  Whoever
 * means the difference writes all lines anew and reads what changed:
 *
 *   BFOPT_BLESS=1 ./dev test counts
 *
 * The columns: instructions of the optimized IR; how many of those a run executes (of at most
 * MAX_STEPS); instructions of the vm; instructions and bytes for any x86-64; and what register
 * allocation added there: moves, spills, reloads, slots, blocks on edges.  All are the same on
 * every machine. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ra.h"
#include "backend/vm/vm.h"
#include "backend/x64/bytes.h"
#include "backend/x64/isel.h"
#include "frontend/parse.h"
#include "ir/build.h"
#include "ir/eval.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/generate.h"

#define GROUPS    24
#define PROGRAMS  6 /* in a group */
#define PIECES    60
#define CELLS     4096
#define MAX_STEPS 20000
#define MAX_INPUT 16
#define FEW       4 /* registers */

struct counts {
    uint64_t ir, steps, vm, x64, bytes, moves, edge_blocks, few, spills, reloads, slots;
};

struct way {
    const char *name;
    int level;
    bool kept;
};
static const struct way ways[] = {{"-O1", 1, false}, {"-O2", 2, false}, {"-S -O3", 3, true}};

static void failed(const char *what, const char *why) {
    fprintf(stderr, "counts: %s: %s\n", what, why);
    exit(1);
}

/* ---- counting ---- */

static void count_vm(struct func *f, struct counts *n) {
    struct mach *m = vm_select(f);
    struct mach *out = ra_allocate(m, &(struct ra_options){0}, NULL);
    n->vm += out->ninsn;
    mach_free(m);
    mach_free(out);
}

/* With all registers, and with few: else nothing is spilled. */
static void count_x64(struct func *f, struct counts *n) {
    struct ra_stats s = {0}, few = {0};
    struct mach *m = x64_select(f, &(struct isel_options){0});
    struct mach *tight = ra_allocate(m, &(struct ra_options){.max_regs = FEW}, &few);
    struct mach *out = ra_allocate(m, &(struct ra_options){0}, &s);
    n->x64 += out->ninsn;
    n->moves += s.moves;
    n->edge_blocks += s.edge_blocks;
    n->few += tight->ninsn;
    n->spills += few.spills;
    n->reloads += few.reloads;
    n->slots += few.slots;
    struct emitted *e = emit(out, X64_LEVEL_BASE);
    struct x64_encoder *encoder = x64_encoder_new();
    struct bytes b = {0};
    if (e != NULL && bytes_layout(&b, e, encoder))
        n->bytes += b.size;
    bytes_free(&b);
    x64_encoder_free(encoder);
    emit_free(e);
    mach_free(m);
    mach_free(tight);
    mach_free(out);
}

static void count_run(const struct func *f, struct rng *r, struct counts *n) {
    uint64_t *cell = xcalloc(CELLS, sizeof *cell);
    uint8_t input[MAX_INPUT];
    struct eval e = {.cell = cell, .ncell = CELLS, .input = input, .fuel = MAX_STEPS};
    e.ninput = generate_input(input, sizeof input, r);
    if (!f->program) { /* entered with something to do */
        e.pointer = 100;
        for (unsigned i = 90; i < 120; i++)
            cell[i] = 1 + rng_below(r, 5);
    }
    ir_eval(f, &e);
    n->steps += e.steps;
    text_free(&e.output);
    xfree(cell);
}

static void count_program(const struct program *p, const struct build_options *build, bool unit,
                          const struct way *way, struct rng *r, struct counts *n) {
    struct func *f = unit ? ir_build_loop(p, 0, build) : ir_build_program(p, build);
    struct pipeline_options o = {.level = way->level, .kept = way->kept};
    struct text error = {0};
    if (!pipeline_run(f, &o, &error))
        failed(way->name, error.p);
    ir_drop_unreachable(f);
    IR_FOR_BLOCKS (f, b)
        IR_FOR_INSNS (f, b, v)
            n->ir++;
    count_run(f, r, n);
    count_vm(f, n);
    count_x64(f, n);
    ir_free(f);
}

/* ---- programs ---- */

static void parse(struct program *p, const struct text *source) {
    if (parse_program(p, (const uint8_t *)source->p, 0, (uint32_t)source->len,
                      &(struct parse_options){0})
            .error)
        failed("a program", "does not parse");
}

static void put_counts(struct text *out, const char *name, const struct way *way,
                       const struct counts *n) {
    const uint64_t number[] = {n->ir,          n->steps, n->vm,     n->x64,     n->bytes, n->moves,
                               n->edge_blocks, n->few,   n->spills, n->reloads, n->slots};
    text_fmt(out, "%-12s %-6s", name, way->name);
    for (unsigned i = 0; i < sizeof number / sizeof *number; i++)
        text_fmt(out, " %6llu", (unsigned long long)number[i]);
    text_char(out, '\n');
}

static void read_file(const char *name, struct text *t) {
    char buffer[1 << 14];
    FILE *f = fopen(name, "r");
    if (f == NULL)
        failed(name, strerror(errno));
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
        text_add(t, buffer, n);
    fclose(f);
}

static void count_file(struct text *out, char *name) {
    struct build_options build = {.cell_bits = 8, .tape_cells = CELLS, .simplify = true};
    struct text source = {0};
    struct program p;
    read_file(name, &source);
    parse(&p, &source);
    for (unsigned w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct counts n = {0};
        struct rng r = {1};
        count_program(&p, &build, false, &ways[w], &r, &n);
        put_counts(out, basename(name), &ways[w], &n);
    }
    program_free(&p);
    text_free(&source);
}

/* Random programs: of every width; every other group one of loops, which are compiled as units;
 * some strict. */
static void count_group(struct text *out, unsigned group) {
    static const unsigned widths[] = {8, 8, 8, 16, 32, 64};
    struct build_options build = {.cell_bits = widths[group / 2 % 6],
                                  .tape_cells = CELLS,
                                  .strict = group % 8 == 6,
                                  .eof_unchanged = group % 3 == 0};
    bool unit = group % 2;
    char name[32];
    snprintf(name, sizeof name, "random-%u", group);
    /* Of loops nothing is kept. */
    for (unsigned w = 0; w < sizeof ways / sizeof *ways - unit; w++) {
        struct rng r = {group * 1000 + 1};
        struct counts n = {0};
        build.simplify = ways[w].level > 0;
        for (unsigned i = 0; i < PROGRAMS; i++) {
            struct text source = {0};
            struct program p;
            text_put(&source, unit ? "[" : "");
            generate_program(&source, &r, PIECES);
            text_put(&source, unit ? "]" : "");
            parse(&p, &source);
            count_program(&p, &build, unit, &ways[w], &r, &n);
            program_free(&p);
            text_free(&source);
        }
        put_counts(out, name, &ways[w], &n);
    }
}

/* ---- comparing ---- */

/* Prints the lines that differ; returns their number. */
static unsigned compare(const char *want, const char *got, unsigned *same) {
    unsigned differ = 0;
    while (*want || *got) {
        size_t n = strcspn(want, "\n"), m = strcspn(got, "\n");
        if (n == m && memcmp(want, got, n) == 0)
            ++*same;
        else if (differ++ < 20)
            printf("-%.*s\n+%.*s\n", (int)n, want, (int)m, got);
        want += n + (want[n] != '\0');
        got += m + (got[m] != '\0');
    }
    return differ;
}

int main(int argc, char **argv) {
    if (argc < 3)
        failed("usage", "counts FILE PROGRAM.b...");
    struct text out = {0};
    text_put(&out, "program      way        ir  steps     vm    x64  bytes  moves  edges    few "
                   "spills reload  slots\n");
    for (int i = 2; i < argc; i++)
        count_file(&out, argv[i]);
    for (unsigned g = 0; g < GROUPS; g++)
        count_group(&out, g);
    if (getenv("BFOPT_BLESS") != NULL) {
        FILE *f = fopen(argv[1], "w");
        if (f == NULL || fwrite(out.p, 1, out.len, f) != out.len || fclose(f) != 0)
            failed(argv[1], strerror(errno));
        text_free(&out);
        printf("1 passed, 0 failed\n");
        return 0;
    }
    struct text want = {0};
    unsigned same = 0;
    read_file(argv[1], &want);
    unsigned differ = compare(want.p, out.p, &same);
    if (differ != 0)
        printf("if this is meant: BFOPT_BLESS=1 ./dev test counts\n");
    printf("%u passed, %u failed\n", same, differ);
    text_free(&want);
    text_free(&out);
    return differ != 0;
}
