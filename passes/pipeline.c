/* pipeline.c: the order of the passes, and the driver that runs them.
 *
 * After each pass the driver settles copies; on demand it verifies, validates, shows, counts and
 * times.  Each level's list below is complete: nothing else decides what runs. */
#include "passes/pipeline.h"

#include <string.h>
#include <time.h>

#include "ir/validate.h"
#include "ir/verify.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

#define VALIDATE_TRIALS 6 /* of validate_each, for each pass */

enum when {
    ALWAYS, /* what is not said otherwise */
    FULL,   /* at -O3, or when the code is kept (-S) */
    KEPT,   /* when the code is kept */
    SMALL,  /* below -O3 not in large functions that were built simplified: little for its time */
};

/* Records from which on a function is large. */
#define LARGE 100000

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
    /* Decisions become arithmetic. */
    {"flatten", CLEAN_UP, SMALL},
    /* Ways that were shared by walks of different lengths are told apart. */
    {"thread", CLEAN_UP, SMALL},
    /* What is left of balanced loops works on values. */
    {"promote", "fold,gvn,dce,forward,dse,fold,if-convert,dce"},
    /* What of it only computes need not loop. */
    {"closed-form,leap,carry", "fold,if-convert,forward,dse,fold,dce"},
    /* What is optimized gets further with the same number of steps. */
    {"prerun", CLEAN_UP, KEPT},
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

const struct pass_info *pass_find(const char *name, size_t len) {
    for (unsigned i = 0; i < pass_table_size; i++)
        if (strlen(pass_table[i].name) == len && memcmp(pass_table[i].name, name, len) == 0)
            return &pass_table[i];
    return NULL;
}

/* The length of the name at the start of a list. */
static size_t name_length(const char *names) {
    return strcspn(names, ",");
}

/* The name behind the first one, or NULL. */
static const char *name_after(const char *names) {
    const char *end = names + name_length(names);
    return *end ? end + 1 : NULL;
}

const char *pipeline_unknown_name(const char *names, bool all, size_t *len) {
    if (all && strcmp(names, "all") == 0)
        return NULL;
    for (const char *p = names; p; p = name_after(p)) {
        *len = name_length(p);
        if (!pass_find(p, *len))
            return p;
    }
    return NULL;
}

static bool is_named(const char *names, const char *pass) {
    if (!names)
        return false;
    if (strcmp(names, "all") == 0)
        return true;
    for (const char *p = names; p; p = name_after(p))
        if (strlen(pass) == name_length(p) && memcmp(pass, p, strlen(pass)) == 0)
            return true;
    return false;
}

/* ---- counters and times ---- */

struct counter {
    const char *pass, *name;
    uint64_t n;
};

struct pass_run {
    uint64_t times, changes; /* how often it ran, and how often it changed something */
    double seconds;
};

struct pass_stats {
    struct counter *counter;
    uint32_t ncounter, cap;
    struct pass_run *run; /* as pass_table */
    bool timed;
};

struct pass_stats *pass_stats_new(bool timed) {
    struct pass_stats *s = xcalloc(1, sizeof *s);
    s->timed = timed;
    s->run = xcalloc(pass_table_size, sizeof *s->run);
    return s;
}

void pass_stats_free(struct pass_stats *s) {
    if (!s)
        return;
    xfree(s->counter);
    xfree(s->run);
    xfree(s);
}

static struct counter *counter_of(struct pass_stats *s, const char *pass, const char *name) {
    for (uint32_t i = 0; i < s->ncounter; i++)
        if (s->counter[i].pass == pass && strcmp(s->counter[i].name, name) == 0)
            return &s->counter[i];
    s->counter = xgrow(s->counter, &s->cap, (uint64_t)s->ncounter + 1, sizeof *s->counter);
    s->counter[s->ncounter] = (struct counter){pass, name, 0};
    return &s->counter[s->ncounter++];
}

uint64_t pass_stats_get(const struct pass_stats *s, const char *name) {
    for (uint32_t i = 0; i < s->ncounter; i++) {
        size_t len = strlen(s->counter[i].pass);
        if (strncmp(name, s->counter[i].pass, len) == 0 && name[len] == '.' &&
            strcmp(name + len + 1, s->counter[i].name) == 0)
            return s->counter[i].n;
    }
    return 0;
}

uint64_t pass_stats_changes(const struct pass_stats *s, unsigned pass) {
    return s->run[pass].changes;
}

void pass_stats_print(const struct pass_stats *s, struct text *out) {
    for (unsigned p = 0; p < pass_table_size; p++)
        for (uint32_t i = 0; i < s->ncounter; i++)
            if (s->counter[i].pass == pass_table[p].name && s->counter[i].n > 0)
                text_fmt(out, "%s.%s = %llu\n", s->counter[i].pass, s->counter[i].name,
                         (unsigned long long)s->counter[i].n);
}

void pass_stats_print_times(const struct pass_stats *s, struct text *out) {
    for (unsigned p = 0; p < pass_table_size; p++) {
        const struct pass_run *r = &s->run[p];
        if (r->times > 0)
            text_fmt(out, "%10.3f ms  %s (%llu runs, %llu changed something)\n", r->seconds * 1e3,
                     pass_table[p].name, (unsigned long long)r->times,
                     (unsigned long long)r->changes);
    }
}

bool pass_may(struct pass_env *env) {
    if (env->rewrites >= env->opt_limit)
        return false;
    env->rewrites++;
    return true;
}

void pass_count(struct pass_env *env, const char *name, uint64_t n) {
    if (env->stats)
        counter_of(env->stats, env->pass, name)->n += n;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other work is not ours */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- running ---- */

struct driver {
    struct func *f;
    const struct pipeline_options *o;
    struct pass_env env;
    struct text *error;
    bool marked;  /* f may hold no_trap marks */
    bool changed; /* some pass of the present list changed f */
};

static void show(struct driver *d, const char *names, const char *when, const char *pass) {
    if (d->o->dump && is_named(names, pass))
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
    struct pass_stats *s = d->o->stats;
    double start = s && s->timed ? now() : 0;
    bool changed = p->run(d->f, &d->env);
    d->changed |= changed;
    ir_settle(d->f);
    if (!s)
        return;
    struct pass_run *r = &s->run[p - pass_table];
    r->times++;
    r->changes += changed;
    if (s->timed)
        r->seconds += now() - start;
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

static bool is_left_out(const struct driver *d, const struct pass_info *p) {
    return d->o->interpreted && !d->o->passes && p->property == COMPILED_ONLY;
}

/* Runs the pass with this name; *stop: it was the one to stop after. */
static bool run_name(struct driver *d, const char *name, size_t len, bool *stop) {
    const struct pass_info *p = pass_find(name, len);
    if (!p)
        bug("no pass is named %.*s", (int)len, name);
    *stop = d->o->stop_after && strcmp(d->o->stop_after, p->name) == 0;
    return is_left_out(d, p) || run_pass(d, p);
}

/* *stop: the pass to stop after was among them. */
static bool run_list(struct driver *d, const char *names, bool *stop) {
    d->changed = false;
    for (const char *p = names; p && !*stop; p = name_after(p))
        if (!run_name(d, p, name_length(p), stop))
            return false;
    return true;
}

/* Side tables have a place for every record, and walks jump over dead ones: where most are dead,
 * the function is rebuilt without them.  Small functions keep their numbers, which makes their
 * dumps easier to compare. */
#define COMPACT_FROM 4096

static void compact(struct driver *d) {
    if (d->f->ninsn >= COMPACT_FROM && d->f->ndead > d->f->ninsn / 2)
        ir_compact(d->f);
}

static bool runs_stage(const struct stage *s, int level, bool kept) {
    return s->when == ALWAYS || s->when == SMALL || kept || (s->when == FULL && level == MAX_LEVEL);
}

static bool is_superfluous(const struct stage *s, const struct func *f, int level) {
    return s->when == SMALL && f->simplified && f->ninsn >= LARGE && level < MAX_LEVEL;
}

static bool run_stage(struct driver *d, const struct stage *s, bool *stop) {
    d->env.kept = s->when == KEPT;
    if (!run_list(d, s->passes, stop))
        return false;
    compact(d);
    return !d->changed || run_list(d, s->then, stop);
}

static bool run_level(struct driver *d) {
    int level = d->o->level < 0 ? 0 : d->o->level > MAX_LEVEL ? MAX_LEVEL : d->o->level;
    bool stop = false;
    for (const struct stage *s = pipeline_levels[level]; s->passes && !stop; s++) {
        if (!runs_stage(s, level, d->o->kept) || is_superfluous(s, d->f, level))
            continue;
        if (!run_stage(d, s, &stop))
            return false;
        compact(d);
    }
    return true;
}

static bool names_known(const char *names, bool all, struct text *error) {
    size_t len;
    const char *bad = names ? pipeline_unknown_name(names, all, &len) : NULL;
    if (bad)
        text_fmt(error, "no pass is named '%.*s'", (int)len, bad);
    return !bad;
}

bool pipeline_run(struct func *f, const struct pipeline_options *o, struct text *error) {
    struct driver d = {.f = f, .o = o, .error = error, .marked = true};
    d.env.opt_limit = o->limited ? o->opt_limit : UINT64_MAX;
    d.env.stats = o->stats;
    d.env.prerun_steps = o->prerun_steps;
    bool named = o->passes && *o->passes;
    if ((named && !names_known(o->passes, false, error)) ||
        !names_known(o->stop_after, false, error))
        return false;
    bool stop = false;
    if (o->passes)
        return !named || run_list(&d, o->passes, &stop);
    return run_level(&d);
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
