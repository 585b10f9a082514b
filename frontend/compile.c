/* compile.c: drives the compiler: build or read, optimize, select, allocate.
 *
 * What happens to a function on its way stands here in order; how, in the parts.  Dumps and
 * statistics the options ask for are written on the way, to standard error.
 */
#include "frontend/compile.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/vm/vm.h"
#include "backend/x64/emit.h"
#include "backend/x64/isel.h"
#include "frontend/diag.h"
#include "ir/build.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"
#include "runtime/names.h"

/* Builds with assertions prove every allocation. */
#ifdef NDEBUG
static const bool compile_always_checks = false;
#else
static const bool compile_always_checks = true;
#endif

/* ---- text for standard error ---- */

static void compile_write(struct text *t) {
    (void)rt_write_all(STDERR_FILENO, t->p, t->len);
    text_free(t);
}

/* ---- statistics ---- */

/* Sums by name, in the order in which the names came. */
struct compile_sum {
    const char *prefix, *what;
    uint64_t n;
    double seconds;
};
struct compile_sums {
    struct compile_sum *sum;
    uint32_t n, cap;
};

static struct compile_sums compile_counts, compile_times;
static struct pass_stats *compile_passes;

static struct compile_sum *compile_sum_of(struct compile_sums *s, const char *prefix,
                                          const char *what) {
    for (uint32_t i = 0; i < s->n; i++)
        if (strcmp(s->sum[i].what, what) == 0 && strcmp(s->sum[i].prefix, prefix) == 0)
            return &s->sum[i];
    s->sum = xgrow(s->sum, &s->cap, (uint64_t)s->n + 1, sizeof *s->sum);
    s->sum[s->n] = (struct compile_sum){.prefix = prefix, .what = what};
    return &s->sum[s->n++];
}

static double compile_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* as the pipeline does for its passes */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void compile_time(const struct options *o, const char *what) {
    static _Thread_local double last;
    if (!o->time_passes)
        return;
    double now = compile_now();
    if (what != NULL)
        compile_sum_of(&compile_times, "", what)->seconds += now - last;
    last = now;
}

void compile_count(const struct options *o, const char *what, uint64_t n) {
    if (o->stats)
        compile_sum_of(&compile_counts, "", what)->n += n;
}

void compile_report(const struct options *o) {
    struct text t = {0};
    if (o->stats && compile_passes != NULL)
        pass_stats_print(compile_passes, &t);
    for (uint32_t i = 0; i < compile_counts.n; i++)
        text_fmt(&t, "%s%s %llu\n", compile_counts.sum[i].prefix, compile_counts.sum[i].what,
                 (unsigned long long)compile_counts.sum[i].n);
    if (o->time_passes && compile_passes != NULL)
        pass_stats_print_times(compile_passes, &t);
    for (uint32_t i = 0; i < compile_times.n; i++)
        text_fmt(&t, "%10.3f ms  %s\n", compile_times.sum[i].seconds * 1e3,
                 compile_times.sum[i].what);
    if (t.len != 0)
        compile_write(&t);
    xfree(compile_counts.sum);
    xfree(compile_times.sum);
    compile_counts = compile_times = (struct compile_sums){0};
    if (compile_passes != NULL)
        pass_stats_free(compile_passes);
    compile_passes = NULL;
}

/* ---- making IR ---- */

/* What compiling takes for an operation of the source, in large programs: measured. */
#define COMPILE_BYTES_AN_OP 256

static struct build_options compile_build_options(const struct options *o) {
    return (struct build_options){.cell_bits = o->cell_bits,
                                  .strict = o->strict,
                                  .eof_unchanged = o->eof == EOF_UNCHANGED,
                                  .simplify = o->level > 0 && o->passes == NULL,
                                  .tape_cells = tape_round(o->tape_cells, o->cell_bits / 8)};
}

struct func *compile_build(const struct program *p, const struct options *o) {
    struct build_options options = compile_build_options(o);
    alloc_expect((size_t)p->nop * COMPILE_BYTES_AN_OP);
    struct func *f = ir_build_program(p, &options);
    compile_time(o, "build");
    return f;
}

struct func *compile_build_loop(const struct program *p, const struct options *o) {
    struct build_options options = compile_build_options(o);
    struct func *f = ir_build_loop(p, 0, &options);
    compile_time(o, "build");
    return f;
}

struct func *compile_read_ir(struct source *s) {
    struct ir_parse_error error;
    struct func *f = ir_parse((const char *)s->text, s->size, &error);
    if (f == NULL)
        diag_error_at(s, (uint32_t)error.offset, "%s", error.message);
    return f;
}

/* ---- passes ---- */

/* Are the names in the list known?  with_parts: those of what compile_select shows are, too. */
static bool compile_check_names(const char *list, bool with_parts) {
    struct name n;
    while (names_next(&list, &n)) {
        bool part = name_is(n, "all") || name_is(n, "isel") || name_is(n, "ra");
        if (pass_find(n) != NULL || (with_parts && part))
            continue;
        diag_error("no pass is named `%.*s` (--list-passes names them)", (int)n.len, n.p);
        return false;
    }
    return true;
}

static void compile_dump(void *context, struct func *f, const char *when, const char *pass) {
    (void)context;
    struct text t = {0};
    struct ir_print_options options = {.raw_numbers = true};
    text_fmt(&t, "; %s %s\n", when, pass);
    ir_print(&t, f, &options);
    compile_write(&t);
}

static struct pipeline_options compile_pipeline_options(const struct options *o) {
    return (struct pipeline_options){.level = (int)o->level,
                                     .kept = o->action == ACT_ASM,
                                     .interpreted = o->engine == ENGINE_INTERP,
                                     .prerun_steps = o->prerun_steps,
                                     .passes = o->passes,
                                     .print_before = o->print_before.p,
                                     .print_after = o->print_after.p,
                                     .stop_after = o->stop_after,
                                     .limited = o->opt_limit != UINT64_MAX,
                                     .opt_limit = o->opt_limit,
                                     .verify_each = o->verify_each,
                                     .validate_each = o->validate_each,
                                     .seed = o->ra_seed,
                                     .dump = compile_dump,
                                     .stats = compile_passes};
}

/* Is there one pass to stop after, and will it run? */
static bool compile_check_stop(const struct pipeline_options *o) {
    struct name name = {o->stop_after, o->stop_after != NULL ? strlen(o->stop_after) : 0};
    const struct pass_info *p = pass_find(name);
    if (o->stop_after == NULL)
        return true;
    if (p == NULL)
        diag_error("no pass is named `%s` (--list-passes names them)", o->stop_after);
    else if (!pipeline_has(o, p))
        diag_error("there is no stopping after `%s`, which is not run (--list-passes)", p->name);
    return p != NULL && pipeline_has(o, p);
}

bool compile_check_passes(const struct options *o) {
    struct pipeline_options options = compile_pipeline_options(o);
    return compile_check_names(o->passes, false) && compile_check_stop(&options) &&
           compile_check_names(o->print_before.p, true) &&
           compile_check_names(o->print_after.p, true);
}

void compile_optimize(struct func *f, const struct options *o) {
    if ((o->stats || o->time_passes) && compile_passes == NULL)
        compile_passes = pass_stats_new(o->time_passes);
    struct pipeline_options options = compile_pipeline_options(o);
    struct text error = {0};
    if (!pipeline_run(f, &options, &error))
        bug("%s", error.p);
    /* IR text may hold blocks that nothing reaches; selection wants none. */
    ir_drop_unreachable(f);
    compile_time(o, "optimize");
}

/* Each move, offset and stride counted once: a pointer passes no instruction twice between two
 * accesses, since every loop accesses a cell. */
uint64_t compile_drift(const struct func *f) {
    uint64_t cells = 0;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            const struct insn *in = ir_at(f, v);
            int64_t by = in->op != OP_CALL && op_info[in->op].a == KIND_PTR ? in->imm : 0;
            int64_t stride = in->op == OP_SCAN ? in->stride : 0;
            uint64_t far =
                (uint64_t)(by < 0 ? -by : by) + (uint64_t)(stride < 0 ? -stride : stride);
            if (__builtin_add_overflow(cells, far, &cells))
                return UINT64_MAX;
        }
    }
    uint64_t bytes;
    return __builtin_mul_overflow(cells, f->cell_bits / 8, &bytes) ? UINT64_MAX : bytes;
}

/* ---- machine code ---- */

static void compile_print_mach(const struct text *list, const char *after, const struct mach *m) {
    if (!names_have(list->p, after) && !names_have(list->p, "all"))
        return;
    struct text t = {0};
    text_fmt(&t, "; after %s\n", after);
    mach_print(&t, m);
    compile_write(&t);
}

static void compile_check_allocation(const struct mach *before, const struct mach *after) {
    struct text why = {0};
    if (ra_check(before, after, &why))
        return;
    text_put(&why, "\n--- before ---\n");
    mach_print(&why, before);
    text_put(&why, "--- after ---\n");
    mach_print(&why, after);
    bug("wrong register allocation: %s", why.p);
}

static void compile_ra_stats(const struct options *o, const struct ra_stats *s) {
    compile_count(o, "ra.intervals", s->intervals);
    compile_count(o, "ra.splits", s->splits);
    compile_count(o, "ra.spills", s->spills);
    compile_count(o, "ra.reloads", s->reloads);
    compile_count(o, "ra.moves", s->moves);
    compile_count(o, "ra.slots", s->slots);
    compile_count(o, "ra.edge-blocks", s->edge_blocks);
}

static void compile_rule_stats(const struct mach *m) {
    uint64_t hits[X64_RULE_COUNT] = {0};
    x64_count_rules(m, hits);
    for (unsigned i = 0; i < X64_RULE_COUNT; i++)
        if (hits[i] != 0)
            compile_sum_of(&compile_counts, "isel.", x64_rule_name(i))->n += hits[i];
}

/* What can be printed, but not run, here is no level to run at. */
static enum x64_level compile_level_to(enum x64_level asked, enum x64_level native,
                                       const struct options *o) {
    return o->action != ACT_RUN || asked < native ? asked : native;
}

enum x64_level compile_level(const struct options *o) {
    enum x64_level native = x64_native_level();
    switch (o->cpu) {
    case CPU_DEFAULT:
        return o->action == ACT_ASM ? X64_LEVEL_BASE : native;
    case CPU_NATIVE:
        return native;
    case CPU_X86_64:
        return X64_LEVEL_BASE;
    case CPU_V3:
        return compile_level_to(X64_LEVEL_V3, native, o);
    case CPU_V4:
        return compile_level_to(X64_LEVEL_V4, native, o);
    }
    return X64_LEVEL_BASE;
}

/* Has the IR served its purpose?  Other engines may be tried after the JIT, and listings show it.
 */
static bool compile_is_last(enum compile_target target, const struct options *o) {
    return target == TARGET_X64 && o->engine == ENGINE_JIT && o->action == ACT_RUN;
}

struct mach *compile_select(struct func *f, enum compile_target target, bool bounds,
                            const struct options *o) {
    struct isel_options select = {.check_bounds = bounds};
    struct mach *m = target == TARGET_VM ? vm_select(f) : x64_select(f, &select);
    compile_print_mach(&o->print_after, "isel", m);
    compile_time(o, "isel");
    if (o->stats && target == TARGET_X64)
        compile_rule_stats(m);
    bool check = o->check_ra || compile_always_checks;
    if (compile_is_last(target, o))
        ir_drop_code(f);
    struct ra_options options = {.max_regs = o->max_regs, .seed = o->ra_seed, .consume = !check};
    struct ra_stats stats = {0};
    struct mach *allocated = ra_allocate(m, &options, &stats);
    compile_print_mach(&o->print_after, "ra", allocated);
    compile_time(o, "ra");
    if (o->stats)
        compile_ra_stats(o, &stats);
    if (check) {
        compile_check_allocation(m, allocated);
        compile_time(o, "check-ra");
    }
    mach_free(m);
    return allocated;
}

bool compile_unit(struct func *f, bool bounds, const struct options *o, struct jit_store *store,
                  struct jit_unit *unit, const char **why) {
    struct mach *m = compile_select(f, TARGET_X64, bounds, o);
    struct emitted *e = emit(m, compile_level(o));
    if (e != NULL)
        e->places = o->profile != PROFILE_NONE;
    *why = "the program needs too large a stack frame";
    bool ok = e != NULL && jit_make_in(store, unit, e, why);
    if (ok)
        compile_count(o, "jit.code-bytes", unit->fault.size);
    emit_free(e);
    mach_free(m);
    compile_time(o, "encode");
    return ok;
}
