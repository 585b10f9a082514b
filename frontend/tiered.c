/* tiered.c: compiles the loops that the tiers of the run time ask for.
 *
 * Between a request and a unit lies the whole compiler, as for a whole program under --jit; only
 * the source is one loop.  The units stay until the run is over.
 */
#include "frontend/tiered.h"

#include <time.h>
#include <unistd.h>

#include "backend/x64/jit.h"
#include "frontend/compile.h"
#include "frontend/heat.h"
#include "frontend/perf_map.h"
#include "ir/build.h"
#include "runtime/alloc.h"
#include "runtime/tiers.h"

/* One for the process: a thread may still use it when the run is over. */
static struct {
    const struct options *o;
    struct source *source;
    struct rt *rt;
    bool bounds;
    double start; /* of the run */
    struct jit_unit **unit;
    uint32_t nunit, unit_cap;
    struct jit_store store; /* of all units */
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

static void tiered_add(struct jit_unit *unit) {
    tiered.unit = xgrow(tiered.unit, &tiered.unit_cap, (uint64_t)tiered.nunit + 1, sizeof(void *));
    tiered.unit[tiered.nunit++] = unit;
}

static bool tiered_make(const struct tier_request *r, struct jit_unit *unit) {
    struct func *f = compile_build_loop(&r->program, tiered.o);
    const char *why;
    compile_optimize(f, tiered.o);
    bool ok = compile_unit(f, tiered.bounds, tiered.o, &tiered.store, unit, &why);
    ir_free(f);
    return ok;
}

static bool tiered_compile(void *context, const struct tier_request *r, struct tier_code *code) {
    (void)context;
    double start = tiered_now();
    struct jit_unit *unit = xcalloc(1, sizeof *unit);
    compile_time(tiered.o, NULL);
    if (!tiered_make(r, unit)) {
        xfree(unit);
        return false;
    }
    tiered_add(unit);
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
}

bool tiered_run(struct program *p, struct rt *rt, struct source *s, const struct options *o) {
    bool profile = o->profile != PROFILE_NONE;
    struct tier_options options = {.threshold = o->profile == PROFILE_EXACT ? 0 : o->tier_threshold,
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
    tiered.store.pool.refused = o->perf_map; /* perf asks its map for anonymous memory only */
    compile_time(o, NULL);
    if (!tiers_run(p, rt, &options, &stats))
        return false;
    tiered_count(&stats);
    compile_time(o, "run");
    for (uint32_t i = 0; i < tiered.nunit; i++) {
        jit_free(tiered.unit[i]);
        xfree(tiered.unit[i]);
    }
    xfree(tiered.unit);
    tiered.unit = NULL;
    tiered.nunit = tiered.unit_cap = 0;
    jit_store_free(&tiered.store);
    return true;
}
