/* differ.c: the comparison of engines.
 *
 * What must agree (docs/reliability.md):
 *   the program ends        output, input consumed and final pointer are the reference's
 *   it goes off the tape    --strict: the same operation, cell and output.  Otherwise: the output
 *                           that came before is all there; an access whose effect is dead may go
 *                           unreported, so the run may also end later, or with another access
 */
#include "tests/fuzz/differ.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/compile.h"
#include "frontend/parse.h"
#include "frontend/reference.h"
#include "ir/build.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define MAX_OUTPUT (1 << 16)

struct outcome {
    enum run_end end;
    uint32_t src;
    int64_t cell, pointer;
    uint64_t consumed;
    size_t nout;
    uint8_t out[MAX_OUTPUT];
};

struct differ {
    struct differ_options o;
    struct rt rt;
    int in_fd, out_fd;
    unsigned cell_bytes; /* of the mapped tape; 0: none */
    struct program program;
    bool parsed;
    const uint8_t *input;
    size_t ninput;
    struct outcome ref, got;
};

static const char *const engine_option[ENGINE_COUNT] = {"--interp", "--interp=switch", "--jit"};

void config_text(struct text *out, const struct config *c) {
    static const char *const eof[] = {"unchanged", "0", "-1"};
    text_fmt(out, "%s -O%u --cell-bits=%u --eof=%s", engine_option[c->engine], c->level,
             c->cell_bits, eof[c->eof]);
    if (c->strict)
        text_put(out, " --strict");
    if (c->max_regs)
        text_fmt(out, " --max-regs=%u", c->max_regs);
}

struct differ *differ_new(const struct differ_options *o) {
    struct differ *d = xcalloc(1, sizeof *d);
    d->o = *o;
    d->in_fd = memfd_create("input", MFD_CLOEXEC);
    d->out_fd = memfd_create("output", MFD_CLOEXEC);
    if (d->in_fd < 0 || d->out_fd < 0)
        abort();
    return d;
}

static void drop_program(struct differ *d) {
    if (d->parsed)
        program_free(&d->program);
    d->parsed = false;
}

void differ_free(struct differ *d) {
    drop_program(d);
    if (d->cell_bytes)
        tape_unmap(&d->rt.tape);
    close(d->in_fd);
    close(d->out_fd);
    xfree(d);
}

/* An empty tape of the right width, the input rewound, the output empty. */
static void prepare(struct differ *d, unsigned cell_bits, enum eof_mode eof) {
    if (d->cell_bytes != cell_bits / 8) {
        if (d->cell_bytes)
            tape_unmap(&d->rt.tape);
        if (!tape_map(&d->rt.tape, d->o.cells, cell_bits / 8, 0, true))
            abort();
        d->cell_bytes = cell_bits / 8;
    }
    memset(d->rt.tape.base, 0, d->rt.tape.bytes);
    rt_io_init(&d->rt, d->in_fd, d->out_fd, eof);
    if (lseek(d->in_fd, 0, SEEK_SET) != 0 || ftruncate(d->out_fd, 0) != 0 ||
        lseek(d->out_fd, 0, SEEK_SET) != 0)
        abort();
}

static void collect(struct differ *d, struct outcome *o) {
    o->end = d->rt.end;
    o->src = d->rt.end_src;
    o->cell = d->rt.end_cell;
    o->pointer = d->rt.end_pointer;
    o->consumed = (uint64_t)lseek(d->in_fd, 0, SEEK_CUR) -
                  (uint64_t)(d->rt.in_limit - d->rt.in_pos);
    ssize_t n = pread(d->out_fd, o->out, sizeof o->out, 0);
    o->nout = n < 0 ? 0 : (size_t)n;
}

enum verdict differ_reference(struct differ *d, const char *program, size_t len,
                              const uint8_t *input, size_t ninput, unsigned cell_bits,
                              enum eof_mode eof) {
    drop_program(d);
    struct parse_options po = {0};
    if (parse_program(&d->program, (const uint8_t *)program, 0, (uint32_t)len, &po).error)
        return SKIPPED;
    d->parsed = true;
    if (ftruncate(d->in_fd, 0) != 0 || pwrite(d->in_fd, input, ninput, 0) != (ssize_t)ninput)
        abort();
    prepare(d, cell_bits, eof);
    reference_run(&d->program, &d->rt, d->o.max_steps);
    collect(d, &d->ref);
    return d->ref.end == RUN_MAX_STEPS || d->ref.nout == MAX_OUTPUT ? SKIPPED : AGREES;
}

static const char *end_name(enum run_end end) {
    static const char *const name[] = {"ends",         "goes off the tape", "has an input error",
                                       "has an output error", "runs out of steps",
                                       "is interrupted"};
    return name[end];
}

static bool same_bytes(const struct outcome *a, const struct outcome *b, size_t n) {
    return a->nout >= n && b->nout >= n && memcmp(a->out, b->out, n) == 0;
}

static enum verdict compare(const struct outcome *ref, const struct outcome *got, bool strict,
                            struct text *why) {
    bool loose = ref->end == RUN_OFF_TAPE && !strict;
    if (!same_bytes(ref, got, ref->nout) || (!loose && got->nout != ref->nout)) {
        text_fmt(why, "output: %zu bytes, expected %zu", got->nout, ref->nout);
        return DIFFERS;
    }
    if (loose)
        return AGREES;
    if (got->end != ref->end) {
        text_fmt(why, "it %s (cell %lld, offset %u), but %s in the reference (cell %lld, offset %u)",
                 end_name(got->end), (long long)got->cell, got->src, end_name(ref->end),
                 (long long)ref->cell, ref->src);
        return DIFFERS;
    }
    if (ref->end == RUN_OFF_TAPE && (got->cell != ref->cell || got->src != ref->src)) {
        text_fmt(why, "off the tape at cell %lld, offset %u; expected cell %lld, offset %u",
                 (long long)got->cell, got->src, (long long)ref->cell, ref->src);
        return DIFFERS;
    }
    if (ref->end == RUN_DONE && (got->pointer != ref->pointer || got->consumed != ref->consumed)) {
        text_fmt(why, "pointer %lld, %llu bytes read; expected %lld, %llu",
                 (long long)got->pointer, (unsigned long long)got->consumed,
                 (long long)ref->pointer, (unsigned long long)ref->consumed);
        return DIFFERS;
    }
    return AGREES;
}

static struct func *optimized(struct differ *d, const struct config *c, struct text *why) {
    struct build_options bo = {.cell_bits = c->cell_bits,
                               .strict = c->strict,
                               .eof_unchanged = c->eof == EOF_UNCHANGED,
                               .tape_cells = tape_cells(&d->rt.tape)};
    struct func *f = ir_build_program(&d->program, &bo);
    struct pipeline_options po = {.level = (int)c->level,
                                  .verify_each = d->o.verify,
                                  .validate_each = d->o.validate};
    if (pipeline_run(f, &po, why))
        return f;
    ir_free(f);
    return NULL;
}

enum verdict differ_run(struct differ *d, const struct config *c, struct text *why) {
    prepare(d, c->cell_bits, c->eof);
    struct func *f = optimized(d, c, why);
    if (!f)
        return DIFFERS;
    struct compile_options co = {.max_regs = c->max_regs, .check_ra = d->o.check_ra};
    bool ok = c->engine == ENGINE_JIT
                  ? compile_and_run_jit(f, &co, &d->rt, why)
                  : compile_and_run_vm(f, &co, &d->rt, c->engine == ENGINE_SWITCH, why);
    ir_free(f);
    if (!ok)
        return DIFFERS;
    collect(d, &d->got);
    return compare(&d->ref, &d->got, c->strict, why);
}
