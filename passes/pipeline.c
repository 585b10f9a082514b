/* pipeline.c: the order of the passes, and the driver that runs them.
 *
 * After each pass the driver settles copies; on demand it verifies, validates, shows, counts and
 * times.  Each level's list below is complete; of it, code that is kept and large functions get
 * what `enum when` says, and level_worth chooses the level of large ones. */
#include "passes/pipeline.h"

#include <string.h>
#include <time.h>

#include "ir/validate.h"
#include "ir/verify.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"
#include "runtime/names.h"

#define VALIDATE_TRIALS 6 /* of validate_each, for each pass */

enum when {
    ALWAYS, /* what is not said otherwise */
    FULL,   /* at -O3, or when the code is kept (-S) */
    KEPT,   /* when the code is kept */
    SMALL,  /* not in large functions that were built simplified, as what it finds is found later;
             * but at -O3 when the code is kept */
    WORTH,  /* not in those below -O3: little for its time */
};

/* Records from which on a function is large.  Builds for tests may say less. */
#ifndef LARGE
#define LARGE 100000
#endif

/* Input and output take as long as eight instructions or more (2 ns), and of three to four records
 * a large function is built with, one is left. */
#define IO_RECORDS 32
/* Static frequencies: a loop is taken to turn eight times, up to this many levels deep. */
#define LOOP_SHIFT 3
#define DEEPEST    10

/* Passes, and what cleans up behind them if they changed anything. */
struct stage {
    const char *passes, *then;
    enum when when;
};

static const struct stage level_0[] = {{NULL, NULL}};

/* Behind idioms that became straight code. */
#define CLEAN_UP "offset-merge,forward,fold,dse,dce"

static const struct stage level_1[] = {
    {"prerun", NULL, KEPT},
    /* Balanced loops get their pointer back; straight code becomes one load and store a cell. */
    {"offset-merge,forward,fold,dce", NULL, SMALL},
    /* Idioms, innermost loops first; what surrounds them becomes straight code. */
    {"scan-loop,clear-loop,mul-loop", "offset-merge,forward,fold"},
    {"dse,dce", NULL},
    /* Always last: they look at the accesses that are left. */
    {"inbounds,rebase", NULL},
    {NULL, NULL},
};

static const struct stage level_2[] = {
    /* What is done need not be optimized. */
    {"prerun", NULL, FULL},
    {"offset-merge,forward,fold,dse,dce", NULL, SMALL},
    /* Besides: ways back are cut short; detours that cannot leave the tape are always taken. */
    {"scan-loop,clear-loop,mul-loop",
     "offset-merge,home,peel,inbounds,if-convert,forward,fold,dse,dce"},
    /* Loops around idioms may be idioms now. */
    {"clear-loop,mul-loop", CLEAN_UP},
    /* Choices that are not taken only count. */
    {"row", NULL},
    /* Decisions become arithmetic. */
    {"flatten", CLEAN_UP, WORTH},
    /* Ways that were shared by walks of different lengths are told apart. */
    {"thread", CLEAN_UP, WORTH},
    /* Those of them that differ little are put together again. */
    {"hyperblock", CLEAN_UP, WORTH},
    /* What is left of balanced loops works on values. */
    {"promote", "fold,gvn,dce,forward,dse,fold,if-convert,dce"},
    /* What of it only computes need not loop. */
    {"closed-form,leap,carry,shift", "fold,if-convert,forward,merge-loads,dse,fold,dce"},
    /* What is optimized gets further with the same number of steps. */
    {"prerun", CLEAN_UP, KEPT},
    {"unroll", "dce"},
    {"inbounds,rebase", NULL},
    {NULL, NULL}};

static const struct stage *const pipeline_levels[] = {level_0, level_1, level_2, level_2};
#define MAX_LEVEL 3

/* ---- passes by name ---- */

const struct pass_info pass_table[] = {
#define PASS(name, entry, level, property, what) {name, entry, level, property, what},
#include "passes/passes.def"
#undef PASS
};
const unsigned pass_table_size = sizeof pass_table / sizeof *pass_table;

const struct pass_info *pass_find(struct name name) {
    for (unsigned i = 0; i < pass_table_size; i++)
        if (name_is(name, pass_table[i].name))
            return &pass_table[i];
    return NULL;
}

/* ---- running ---- */

bool pass_may(struct pass_env *env) {
    if (env->rewrites >= env->opt_limit)
        return false;
    env->rewrites++;
    return true;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other work is not ours */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct driver {
    struct func *f;
    const struct pipeline_options *o;
    struct pass_env env;
    struct text *error;
    bool marked;  /* f may hold no_trap marks */
    bool changed; /* some pass of the present list changed f */
};

static void show(struct driver *d, const char *names, const char *when, const char *pass) {
    if (names_have(names, pass) || names_have(names, "all"))
        d->o->dump(d->o->dump_context, d->f, when, pass);
}

/* A no_trap mark may rest on another access, which other passes are free to remove; `inbounds`
 * finds the marks again. */
static void clear_marks(struct driver *d) {
    if (d->marked)
        for (uint32_t i = 1; i < d->f->ninsn; i++)
            d->f->insn[i].trap = MAY_TRAP;
    d->marked = false;
}

static bool verify_after(struct driver *d, const char *pass) {
    bool want = d->o->verify_each;
#ifndef NDEBUG
    want = true;
#endif
    struct text why = {0};
    bool ok = !want || ir_verify(d->f, &why);
    if (!ok)
        text_fmt(d->error, "the function is broken after pass %s\n%s", pass, why.p ? why.p : "");
    text_free(&why);
    return ok;
}

static bool validate_after(struct driver *d, const struct func *before, const char *pass) {
    struct text why = {0};
    bool ok = ir_same_meaning(before, d->f, VALIDATE_TRIALS, d->o->seed, &why);
    if (!ok)
        text_fmt(d->error, "the function behaves differently after pass %s: %s", pass,
                 why.p ? why.p : "");
    text_free(&why);
    return ok;
}

static void run_timed(struct driver *d, const struct pass_info *p) {
    bool timed = d->o->stats && pass_stats_timed(d->o->stats);
    double start = timed ? now() : 0;
    bool changed = p->run(d->f, &d->env);
    d->changed |= changed;
    ir_settle(d->f);
    if (d->o->stats)
        pass_stats_ran(d->o->stats, p, changed, timed ? now() - start : 0);
}

static bool run_pass(struct driver *d, const struct pass_info *p) {
    show(d, d->o->print_before, "before", p->name);
    if (p->property != KEEPS_MARKS)
        clear_marks(d);
    struct func *before = d->o->validate_each ? ir_clone(d->f) : NULL;
    d->env.pass = p->name;
    run_timed(d, p);
    d->marked |= p->property == KEEPS_MARKS;
    show(d, d->o->print_after, "after", p->name);
    bool ok = verify_after(d, p->name) && (!before || validate_after(d, before, p->name));
    ir_free(before);
    return ok;
}

static bool is_left_out(const struct pipeline_options *o, const struct pass_info *p) {
    return o->interpreted && !o->passes && p->property == COMPILED_ONLY;
}

/* Runs the pass with this name; *stop: it was the one to stop after. */
static bool run_name(struct driver *d, struct name name, bool *stop) {
    const struct pass_info *p = pass_find(name);
    if (!p)
        bug("no pass is named %.*s", (int)name.len, name.p);
    *stop = d->o->stop_after && strcmp(d->o->stop_after, p->name) == 0;
    return is_left_out(d->o, p) || run_pass(d, p);
}

/* *stop: the pass to stop after was among them. */
static bool run_list(struct driver *d, const char *names, bool *stop) {
    struct name n;
    d->changed = false;
    while (!*stop && names_next(&names, &n))
        if (!run_name(d, n, stop))
            return false;
    return true;
}

/* Side tables have a place for every record, and walks jump over dead ones: where many are dead,
 * the function is rebuilt without them.  Small functions keep their numbers, which makes their
 * dumps easier to compare. */
#define COMPACT_FROM 4096

static void compact(struct driver *d) {
    if (d->f->ninsn >= COMPACT_FROM && d->f->ndead > d->f->ninsn / 3)
        ir_compact(d->f);
}

static bool runs_stage(const struct stage *s, int level, bool kept) {
    return s->when == ALWAYS || s->when == SMALL || s->when == WORTH || kept ||
           (s->when == FULL && level == MAX_LEVEL);
}

/* Code that is kept gets all there is at -O3. */
static bool is_superfluous(const struct driver *d, const struct stage *s, int level) {
    if (!d->f->simplified || d->f->ninsn < LARGE)
        return false;
    return (s->when == SMALL && !(level == MAX_LEVEL && d->o->kept)) ||
           (s->when == WORTH && level < MAX_LEVEL);
}

static bool run_stage(struct driver *d, const struct stage *s, bool *stop) {
    d->env.kept = s->when == KEPT;
    if (!run_list(d, s->passes, stop))
        return false;
    compact(d);
    return !d->changed || run_list(d, s->then, stop);
}

static int level_of(const struct pipeline_options *o) {
    return o->level < 0 ? 0 : o->level > MAX_LEVEL ? MAX_LEVEL : o->level;
}

/* ---- how much a function is worth ---- */

/* By block: how many loops begin there less how many ended before it, in layout order, where a loop
 * is what stands between the ends of an edge that leads back.  A block that leads back to itself is
 * none: mostly an idiom, which will be straight code. */
static int32_t *loop_steps(const struct func *f) {
    uint32_t *place = xcalloc(f->nblock, sizeof *place), n = 0;
    int32_t *step = xcalloc((size_t)f->nblock + 1, sizeof *step);
    IR_FOR_BLOCKS (f, b)
        place[b.i] = n++;
    IR_FOR_BLOCKS (f, b) {
        const struct block_data *d = ir_block(f, b);
        for (unsigned k = 0; k < d->nsucc; k++) {
            if (place[d->succ[k].i] < place[b.i]) {
                step[place[d->succ[k].i]]++;
                step[place[b.i] + 1]--;
            }
        }
    }
    xfree(place);
    return step;
}

/* Reads or writes more than the tape?  Not so touches, which have EFF_IO for their order. */
static bool is_io(const struct func *f, value v) {
    uint8_t op = ir_at(f, v)->op;
    return op == OP_IN || op == OP_OUT || op == OP_OUTS || op == OP_HASH;
}

/* Is most of the time of f that of its input and output, whatever is done to the rest?  By a static
 * estimate of how often blocks run. */
static bool is_mostly_io(const struct func *f) {
    int32_t *step = loop_steps(f), depth = 0;
    uint64_t io = 0, all = 0;
    uint32_t n = 0;
    IR_FOR_BLOCKS (f, b) {
        depth += step[n++];
        unsigned shift = LOOP_SHIFT * (unsigned)(depth < DEEPEST ? depth : DEEPEST);
        IR_FOR_INSNS (f, b, v) {
            all += UINT64_C(1) << shift;
            io += (uint64_t)is_io(f, v) << shift;
        }
    }
    xfree(step);
    return io > all / IO_RECORDS;
}

/* The level whose passes f gets: -O1's, if it is large and they would hardly make it faster. */
static int level_worth(struct driver *d) {
    int level = level_of(d->o);
    if (level < 2 || d->o->kept || d->f->ninsn < LARGE || !is_mostly_io(d->f))
        return level;
    d->env.pass = pass_pipeline;
    pass_count(&d->env, "mostly_io", 1);
    return 1;
}

static bool run_level(struct driver *d) {
    int level = level_worth(d);
    bool stop = false;
    for (const struct stage *s = pipeline_levels[level]; s->passes && !stop; s++) {
        if (!runs_stage(s, level, d->o->kept) || is_superfluous(d, s, level))
            continue;
        if (!run_stage(d, s, &stop))
            return false;
        compact(d);
    }
    return true;
}

bool pipeline_has(const struct pipeline_options *o, const struct pass_info *p) {
    if (o->passes)
        return names_have(o->passes, p->name);
    int level = level_of(o);
    for (const struct stage *s = pipeline_levels[level]; s->passes; s++)
        if (runs_stage(s, level, o->kept) &&
            (names_have(s->passes, p->name) || names_have(s->then, p->name)))
            return !is_left_out(o, p);
    return false;
}

bool pipeline_run(struct func *f, const struct pipeline_options *o, struct text *error) {
    struct driver d = {.f = f, .o = o, .error = error, .marked = true};
    d.env.opt_limit = o->limited ? o->opt_limit : UINT64_MAX;
    d.env.stats = o->stats;
    d.env.prerun_steps = o->prerun_steps;
    bool stop = false;
    return o->passes ? run_list(&d, o->passes, &stop) : run_level(&d);
}

/* ---- --list-passes ---- */

void pipeline_list(struct text *out) {
    text_put(out, "Passes, and what each level runs (what is in brackets: if those before changed "
                  "anything;\nfor --interp without");
    for (unsigned i = 0; i < pass_table_size; i++)
        if (pass_table[i].property == COMPILED_ONLY)
            text_fmt(out, " %s", pass_table[i].name);
    text_put(out, "):\n");
    for (unsigned i = 0; i < pass_table_size; i++)
        text_fmt(out, "  %-14s %s\n", pass_table[i].name, pass_table[i].what);
    for (int level = 0; level <= MAX_LEVEL; level++) {
        text_fmt(out, "-O%d:", level);
        for (const struct stage *s = pipeline_levels[level]; s->passes; s++) {
            const char *with = runs_stage(s, level, false) ? "" : "-S:";
            text_fmt(out, s->then ? " %s%s (%s)" : " %s%s", with, s->passes, s->then);
        }
        text_put(out, "\n");
    }
}
