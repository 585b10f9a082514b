/* tiered.c: compiles the loops that the tiers of the run time ask for.
 *
 * Between a request and a unit lies the whole compiler, as for a whole program under --jit; only
 * the source is one loop.  Baseline code is made without it, in the running thread, which therefore
 * has a shop of its own.  The units stay until the run is over.
 */
#include "frontend/tiered.h"

#include <time.h>
#include <unistd.h>

#include "backend/x64/baseline.h"
#include "backend/x64/jit.h"
#include "frontend/compile.h"
#include "frontend/heat.h"
#include "frontend/perf_map.h"
#include "ir/build.h"
#include "runtime/alloc.h"
#include "runtime/tiers.h"

/* What one thread makes, and makes it with. */
struct shop {
    struct jit_unit **unit;
    uint32_t nunit, unit_cap;
    struct jit_store store; /* of all units */
};

/* One for the process: a thread may still use it when the run is over. */
static struct {
    const struct options *o;
    struct source *source;
    struct rt *rt;
    bool bounds;
    double start; /* of the run */
    struct shop units, baseline;
} tiered;

static double tiered_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* "prog.b:3:17: 12.345 ms: loop ..." */
static void tiered_log(void *context, uint32_t src, const char *what) {
    (void)context;
    struct position at = source_position(tiered.source, src);
    struct text t = {0};
    text_fmt(&t, "%s:%u:%u: %.3f ms: loop %s\n", tiered.source->name, at.line, at.column,
             tiered_now() - tiered.start, what);
    (void)rt_write_all(STDERR_FILENO, t.p, t.len);
    text_free(&t);
}

static void shop_add(struct shop *s, struct jit_unit *unit) {
    s->unit = xgrow(s->unit, &s->unit_cap, (uint64_t)s->nunit + 1, sizeof(void *));
    s->unit[s->nunit++] = unit;
}

static void shop_close(struct shop *s) {
    for (uint32_t i = 0; i < s->nunit; i++) {
        jit_free(s->unit[i]);
        xfree(s->unit[i]);
    }
    xfree(s->unit);
    jit_store_free(&s->store);
    *s = (struct shop){0};
}

static bool tiered_make(const struct tier_request *r, struct shop *s, struct jit_unit *unit) {
    if (r->baseline)
        return !tiered.bounds &&
               baseline_make(&s->store, unit, &r->program, tiered.rt->tape.cell_bytes);
    compile_time(tiered.o, NULL);
    struct func *f = compile_build_loop(&r->program, tiered.o);
    const char *why;
    compile_optimize(f, tiered.o);
    bool ok = compile_unit(f, tiered.bounds, tiered.o, &s->store, unit, &why);
    ir_free(f);
    return ok;
}

static bool tiered_compile(void *context, const struct tier_request *r, struct tier_code *code) {
    (void)context;
    double start = tiered_now();
    struct shop *s = r->baseline ? &tiered.baseline : &tiered.units;
    struct jit_unit *unit = xcalloc(1, sizeof *unit);
    if (!tiered_make(r, s, unit)) {
        xfree(unit);
        return false;
    }
    shop_add(s, unit);
    code->enter = jit_entry(unit);
    code->fault = &unit->fault;
    code->bytes = unit->fault.size;
    code->milliseconds = tiered_now() - start;
    return true;
}

static void tiered_installed(void *context, uint32_t src, const struct tier_code *code) {
    (void)context;
    perf_map_add(code->fault->code, code->bytes, tiered.source, src);
}

static void tiered_finish(void *context, const struct tiers *t) {
    (void)context;
    struct text report = {0};
    rt_flush(tiered.rt);
    heat_report(&report, t, tiered.source, tiered.o->profile, heat_style());
    if (!source_lost(tiered.source)) /* its lines are what the report is about */
        (void)rt_write_all(STDERR_FILENO, report.p, report.len);
    text_free(&report);
}

static void tiered_count(const struct tier_stats *s) {
    const struct options *o = tiered.o;
    compile_count(o, "tiers.loops", s->loops);
    compile_count(o, "tiers.requests", s->requests);
    compile_count(o, "tiers.units", s->units);
    compile_count(o, "tiers.failed", s->failed);
    compile_count(o, "tiers.operations", s->ops);
    compile_count(o, "tiers.code-bytes", s->bytes);
    compile_count(o, "tiers.compile-us", (uint64_t)(s->milliseconds * 1e3));
    compile_count(o, "tiers.entries", s->entries);
    compile_count(o, "tiers.calls", s->calls);
    compile_count(o, "baseline.units", s->baseline_units);
    compile_count(o, "baseline.failed", s->baseline_failed);
    compile_count(o, "baseline.code-bytes", s->baseline_bytes);
    compile_count(o, "baseline.compile-us", (uint64_t)(s->baseline_milliseconds * 1e3));
    compile_count(o, "baseline.entries", s->baseline_entries);
}

bool tiered_run(struct program *p, struct rt *rt, struct source *s, const struct options *o) {
    bool profile = o->profile != PROFILE_NONE;
    struct tier_options options = {.max = o->tier_max,
                                   .threshold = o->profile == PROFILE_EXACT ? 0 : o->tier_threshold,
                                   .seed = o->tier_seed,
                                   .wait = o->tier_wait,
                                   .wait_at_end = o->stats || o->time_passes,
                                   .compile = tiered_compile,
                                   .installed = o->perf_map ? tiered_installed : NULL,
                                   .profile = profile,
                                   .finish = profile ? tiered_finish : NULL,
                                   .log = o->tier_log ? tiered_log : NULL};
    struct tier_stats stats;
    tiered.o = o;
    tiered.source = s;
    tiered.rt = rt;
    tiered.start = tiered_now();
    tiered.bounds = rt->tape.guard == 0;
    /* perf asks its map for anonymous memory only. */
    tiered.units.store.pool.refused = tiered.baseline.store.pool.refused = o->perf_map;
    compile_time(o, NULL);
    if (!tiers_run(p, rt, &options, &stats))
        return false;
    tiered_count(&stats);
    compile_time(o, "run");
    shop_close(&tiered.units);
    shop_close(&tiered.baseline);
    return true;
}
