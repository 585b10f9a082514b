/* tiers.c: counts how hot loops are, has them compiled, and puts what comes back into place.
 *
 * A loop has a budget of rounds, counted down by tier 0.  When it is used up:
 *   cold       it, or a loop around it that is turning as well, is asked for (tier_choice.c)
 *   waiting    the compiler has other work
 *   requested  not ready yet: another small budget
 *   compiled   its unit runs it to its end; the budget stays 1, so that every entry comes here
 *   failed     a budget for ever
 *
 * Until its unit is there a hot loop runs as baseline code, which is made at once, by the running
 * thread.  It counts as tier 0 does and asks as well, at the head of any loop in it, so the unit
 * takes over from it in the same way.
 *
 * With a second thread the compiler works while tier 0 goes on.  The thread gets a copy of the
 * operations and gives back finished code; whatever the run itself reads is changed by the running
 * thread only, when it looks (tiers_look), so there is one lock, around the two queues.
 * A program can run without its units: memory that runs out while one is made is the end of that
 * unit, not of the run.  All that the thread allocates is for a unit.
 *
 * Units call each other, tier 0 calls units, and they call tier 0: the depth of the stack follows
 * the nesting of the program only as far as rt->stack_limit.  Beyond it, tier 0 runs alone.
 */
#include "runtime/tiers.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/alloc.h"
#include "runtime/tiers_int.h"

#define WAIT_ROUNDS 64 /* until it is asked again whether a unit is ready */
#define FOR_EVER    UINT32_MAX
#define STACK_SHARE 2          /* of the stack that may be used, one part in so many is */
#define STACK_MOST  (4u << 20) /* and never more than this many bytes */

struct tier_result {
    uint32_t loop;
    const char *why_not; /* it was compiled; NULL: it was */
    struct tier_code code;
};

/* No more requests are on their way at a time than the queues have room for. */
struct tier_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct tier_options o;
    struct tier_request request[TIER_AHEAD]; /* those that wait: in order, the first one first */
    uint32_t nrequest;
    struct tier_result result[TIER_AHEAD];
    uint32_t nresult;
    atomic_uint ready; /* nresult, to be looked at without the lock */
    bool quit, idle;
    int apart; /* the processor it does not use, or -1 */
};

/* ---- the compiler ---- */

static void tiers_free_request(struct tier_request *r) {
    xfree(r->program.op);
    xfree(r->program.left);
}

struct attempt {
    const struct tier_options *o;
    const struct tier_request *request;
    struct tier_code code;
    bool ok;
};

static void tiers_attempt(void *argument) {
    struct attempt *a = argument;
    a->ok = a->o->compile(a->o->context, a->request, &a->code);
}

static struct tier_result tiers_compile(const struct tier_options *o, struct tier_request *r) {
    struct attempt a = {.o = o, .request = r};
    struct tier_result result = {.loop = r->loop};
    if (!alloc_attempt(tiers_attempt, &a))
        result.why_not = "cannot be compiled: out of memory";
    else if (!a.ok)
        result.why_not = "cannot be compiled";
    result.code = a.code;
    tiers_free_request(r);
    return result;
}

/* The request that waited longest. */
static struct tier_request worker_next(struct tier_worker *w) {
    struct tier_request r = w->request[0];
    w->nrequest--;
    for (uint32_t i = 0; i < w->nrequest; i++)
        w->request[i] = w->request[i + 1];
    return r;
}

static void *worker_main(void *argument) {
    struct tier_worker *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        if (w->nrequest == 0) {
            w->idle = true;
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        w->idle = false;
        struct tier_request r = worker_next(w);
        pthread_mutex_unlock(&w->lock);
        struct tier_result result = tiers_compile(&w->o, &r);
        pthread_mutex_lock(&w->lock);
        w->result[w->nresult++] = result;
        atomic_store_explicit(&w->ready, w->nresult, memory_order_release);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Keeps the thread off the processor that the run is on.  The system's scheduler is in no hurry to
 * tell two busy threads apart: for milliseconds they would take turns on one processor while
 * another one is idle. */
static void worker_keep_apart(struct tier_worker *w) {
    int here = sched_getcpu();
    cpu_set_t others;
    if (here < 0 || here == w->apart || sched_getaffinity(0, sizeof others, &others) != 0)
        return;
    CPU_CLR(here, &others);
    if (CPU_COUNT(&others) > 0 && pthread_setaffinity_np(w->thread, sizeof others, &others) == 0)
        w->apart = here;
}

/* The thread, or NULL if there can be none. */
static struct tier_worker *worker_start(const struct tier_options *o) {
    struct tier_worker *w = xcalloc(1, sizeof *w);
    w->o = *o;
    w->apart = -1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    sigset_t all, before; /* signals are the running thread's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        worker_keep_apart(w);
        return w;
    }
    xfree(w);
    return NULL;
}

static void worker_ask(struct tier_worker *w, const struct tier_request *r) {
    worker_keep_apart(w);
    pthread_mutex_lock(&w->lock);
    assert(w->nrequest + w->nresult < TIER_AHEAD);
    w->request[w->nrequest++] = *r;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* Ends the thread.  While it compiles that takes time, so it is left alone then unless `wait`
 * says otherwise: false. */
static bool worker_stop(struct tier_worker *w, bool wait) {
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    bool idle = w->idle;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (!idle && !wait)
        return false;
    pthread_join(w->thread, NULL);
    for (uint32_t i = 0; i < w->nrequest; i++)
        tiers_free_request(&w->request[i]);
    xfree(w);
    return true;
}

/* ---- loops ---- */

static uint8_t *tiers_call(struct rt *rt, uint8_t *pointer, uint32_t loop);

/* With a seed: a number below `most`. */
static uint32_t tiers_draw(struct tiers *t, uint32_t most) {
    uint64_t h = (t->o->seed + (uint64_t)++t->drawn * 1000003) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32) % most;
}

/* The rounds a loop makes before it is hot: the threshold; with a seed a number up to it, another
 * one each time it is asked. */
static uint32_t tiers_threshold(struct tiers *t) {
    uint32_t most = t->o->max == TIERS_INTERPRET ? 0 : t->o->threshold;
    return t->o->seed == 0 || most == 0 ? most : 1 + tiers_draw(t, most);
}

uint32_t tiers_number(struct tiers *t, uint32_t open, uint32_t parent) {
    struct bf_op *close = &t->op[t->op[open].arg];
    if (close->kind == T0_CLOSE)
        return (uint32_t)close->arg;
    t->loop = xgrow(t->loop, &t->loop_cap, (uint64_t)t->nloop + 1, sizeof *t->loop);
    t->slot = t->rt->loop = xgrow(t->slot, &t->slot_cap, (uint64_t)t->nloop + 1, sizeof *t->slot);
    uint32_t n = t->nloop++;
    uint32_t threshold = tiers_threshold(t);
    uint32_t budget = threshold != 0 ? threshold : FOR_EVER;
    t->loop[n] = (struct tier_loop){.open = open,
                                    .close = (uint32_t)(close - t->op),
                                    .parent = parent,
                                    .granted = budget,
                                    .cover = NO_LOOP,
                                    .patience = TIER_PATIENCE};
    t->slot[n] = (struct rt_slot){.run = tiers_call, .budget = budget};
    close->kind = T0_CLOSE;
    close->arg = (int32_t)n;
    return n;
}

/* Takes count of the budget of a loop, and gives it another one.  Returns the rounds since. */
static uint32_t tiers_grant(struct tiers *t, uint32_t loop, uint32_t rounds) {
    struct tier_loop *l = &t->loop[loop];
    uint32_t used = l->granted - t->slot[loop].budget;
    l->rounds += used;
    t->slot[loop].budget = l->granted = rounds;
    return used;
}

__attribute__((format(printf, 3, 4))) static void tiers_log(const struct tiers *t, uint32_t loop,
                                                            const char *format, ...) {
    if (t->o->log == NULL)
        return;
    struct text what = {0};
    va_list ap;
    va_start(ap, format);
    text_vfmt(&what, format, ap);
    va_end(ap);
    t->o->log(t->o->context, t->op[t->loop[loop].open].src, what.p);
    text_free(&what);
}

/* Notes, for a profile, what runs from here on; returns what did. */
static int tiers_go(struct tiers *t, int where) {
    if (t->profile == NULL)
        return where;
    int before = t->profile->where;
    t->profile->where = where;
    return before;
}

/* ---- decisions ---- */

static void tiers_fail(struct tiers *t, uint32_t loop, const char *why) {
    t->loop[loop].state = TIER_FAILED;
    t->stats->failed++;
    tiers_log(t, loop, "%s", why);
}

static void tiers_take(struct tiers *t, const struct tier_result *r) {
    struct tier_loop *l = &t->loop[r->loop];
    t->nrequest--;
    if (r->why_not != NULL) {
        tiers_grant(t, r->loop, FOR_EVER);
        tiers_fail(t, r->loop, r->why_not);
        return;
    }
    if (r->code.fault != NULL)
        fault_add(r->code.fault);
    if (t->o->installed != NULL)
        t->o->installed(t->o->context, t->op[l->open].src, &r->code);
    t->slot[r->loop].run = r->code.enter;
    t->stats->units++;
    t->stats->bytes += r->code.bytes;
    t->stats->milliseconds += r->code.milliseconds;
    l->state = TIER_COMPILED;
    l->taken = t->slot[r->loop].entries;
    tiers_grant(t, r->loop, 1);
    tiers_log(t, r->loop, "was compiled in %.2f ms: %u bytes; %llu rounds were interpreted",
              r->code.milliseconds, r->code.bytes, (unsigned long long)l->rounds);
}

/* Puts finished units into place. */
static void tiers_poll(struct tiers *t) {
    struct tier_worker *w = t->worker;
    if (w == NULL || atomic_load_explicit(&w->ready, memory_order_acquire) == 0)
        return;
    pthread_mutex_lock(&w->lock);
    for (uint32_t i = 0; i < w->nresult; i++)
        tiers_take(t, &w->result[i]);
    w->nresult = 0;
    atomic_store_explicit(&w->ready, 0, memory_order_relaxed);
    pthread_mutex_unlock(&w->lock);
}

/* What compiling needs is made ready when it is asked for the first time: most programs that print
 * a line and end never ask.  False: machine code cannot run. */
static bool tiers_prepare(struct tiers *t) {
    if (t->prepared)
        return t->can_compile;
    t->prepared = true;
    t->can_compile = fault_install(t->rt);
    if (t->can_compile && !t->o->wait && t->o->max == TIERS_ALL)
        t->worker = worker_start(t->o);
    return t->can_compile;
}

struct cutting {
    struct tiers *t;
    uint32_t loop;
    struct tier_request r;
    bool ok;
};

static void tiers_cut(void *argument) {
    struct cutting *c = argument;
    c->ok = tier_unit_cut(c->t, c->loop, &c->r);
}

/* Hands a loop to the compiler. */
static void tiers_request(struct tiers *t, uint32_t loop) {
    struct cutting c = {.t = t, .loop = loop};
    if (!tiers_prepare(t)) {
        t->loop[loop].state = TIER_FAILED;
        return;
    }
    if (!alloc_attempt(tiers_cut, &c)) {
        tiers_fail(t, loop, "cannot be cut out: out of memory");
        return;
    }
    if (!c.ok) {
        tiers_fail(t, loop, "is too large to be compiled");
        return;
    }
    tiers_log(t, loop, "%s after %llu rounds in %u entries: %u operations, %u calls",
              t->loop[loop].around ? "surrounds a hot one" : "is hot",
              (unsigned long long)tiers_rounds(t, loop), t->slot[loop].entries, c.r.program.nop,
              c.r.ncalls);
    t->stats->requests++;
    t->stats->ops += c.r.program.nop;
    t->loop[loop].state = TIER_REQUESTED;
    t->nrequest++;
    tiers_drop_covered(t, loop);
    if (t->worker != NULL) {
        worker_ask(t->worker, &c.r);
    } else {
        int where = tiers_go(t, PROFILE_COMPILING);
        struct tier_result result = tiers_compile(t->o, &c.r);
        tiers_go(t, where);
        tiers_take(t, &result);
    }
}

/* Keeps the compiler busy: one loop for it to work on, and one to go on with.  One that does not
 * work in the background is kept waiting at random, as if it did, if there is a seed. */
static void tiers_hand_over(struct tiers *t) {
    if (t->o->max != TIERS_ALL || (t->o->wait && t->o->seed != 0 && tiers_draw(t, 4) != 0))
        return;
    while (t->nwaiting > 0 && t->nrequest < TIER_AHEAD)
        tiers_request(t, tiers_next(t));
}

/* Chooses the loop or one around it to be compiled, at whose head baseline code takes over. */
static void tiers_want(struct tiers *t, uint32_t loop) {
    uint32_t chosen = tiers_choose(t, loop);
    if (chosen != NO_LOOP && chosen != loop)
        tiers_grant(t, chosen, 1);
}

/* ---- baseline code ---- */

struct making {
    struct tiers *t;
    uint32_t loop;
    struct tier_code code;
    bool ok;
};

static void tiers_make_baseline(void *argument) {
    struct making *m = argument;
    struct tier_request r;
    if (!tier_baseline_cut(m->t, m->loop, &r))
        return;
    m->ok = m->t->o->compile(m->t->o->context, &r, &m->code);
    tiers_free_request(&r);
}

/* The baseline code of a loop, which is made when it is wanted first; NULL: there can be none. */
static rt_loop *tiers_baseline(struct tiers *t, uint32_t loop) {
    struct tier_loop *l = &t->loop[loop];
    if (l->baseline != NULL || l->no_baseline)
        return l->baseline;
    struct making m = {.t = t, .loop = loop};
    if (!tiers_prepare(t))
        return NULL;
    bool memory = alloc_attempt(tiers_make_baseline, &m);
    l = &t->loop[loop]; /* cutting numbers loops */
    if (!memory || !m.ok) {
        l->no_baseline = true;
        t->stats->baseline_failed++;
        tiers_log(t, loop, "has no baseline code%s", memory ? "" : ": out of memory");
        return NULL;
    }
    fault_add(m.code.fault);
    if (t->o->installed != NULL)
        t->o->installed(t->o->context, t->op[l->open].src, &m.code);
    t->stats->baseline_units++;
    t->stats->baseline_bytes += m.code.bytes;
    t->stats->baseline_milliseconds += m.code.milliseconds;
    tiers_log(t, loop, "has baseline code, made in %.2f ms: %u bytes", m.code.milliseconds,
              m.code.bytes);
    return l->baseline = m.code.enter;
}

/* May a unit be entered?  Not when the stack is short. */
static bool tiers_may_enter(const struct tiers *t) {
    return t->deep == 0 && (uintptr_t)__builtin_frame_address(0) > (uintptr_t)t->rt->stack_limit;
}

/* Runs the loop from its head to its end as baseline code.  False: there is none. */
static bool tiers_run_baseline(struct tiers *t, uint32_t loop, uint8_t **pointer) {
    if (t->profile != NULL || !tiers_may_enter(t))
        return false;
    rt_loop *code = tiers_baseline(t, loop);
    if (code == NULL)
        return false;
    t->stats->baseline_entries++;
    *pointer = code(t->rt, *pointer, loop);
    tiers_grant(t, loop, 1); /* tier 0 comes back here at once */
    return true;
}

bool tiers_look(struct tiers *t, uint32_t loop, uint8_t **pointer, bool in_code) {
    tiers_poll(t);
    struct tier_loop *l = &t->loop[loop];
    uint32_t before = l->granted;
    uint32_t threshold = tiers_threshold(t);
    uint32_t used = tiers_grant(t, loop, threshold != 0 ? threshold : FOR_EVER);
    if (l->state != TIER_COMPILED)
        tiers_heat(t, loop, used);
    if (threshold == 0) /* no loop is ever hot, and for ever is four billion rounds */
        return false;
    if (l->state == TIER_COLD)
        tiers_want(t, loop);
    tiers_hand_over(t);
    l = &t->loop[loop]; /* requests number loops */
    switch ((enum tier_state)l->state) {
    case TIER_COLD: /* a loop around it was chosen */
        return false;
    case TIER_WAITING:
    case TIER_REQUESTED:
        l->urgency++;
        tiers_grant(t, loop, WAIT_ROUNDS);
        return !in_code && tiers_run_baseline(t, loop, pointer);
    case TIER_FAILED:
        tiers_grant(t, loop, FOR_EVER);
        return !in_code && tiers_run_baseline(t, loop, pointer);
    case TIER_COMPILED:
        break;
    }
    if (!tiers_may_enter(t))
        return false;
    tiers_grant(t, loop, 1);
    if (before == 1)
        l->rounds--; /* the unit's, all of them */
    l->unit_entries++;
    tiers_heat_entry(t, loop);
    t->stats->entries++;
    int where = tiers_go(t, PROFILE_CODE);
    *pointer = t->slot[loop].run(t->rt, *pointer, loop);
    tiers_go(t, where);
    return true;
}

/* ---- from units ---- */

/* What the table has for a loop without a unit. */
static uint8_t *tiers_call(struct rt *rt, uint8_t *pointer, uint32_t loop) {
    struct tiers *t = rt->tiers;
    t->stats->calls++;
    t->slot[loop].entries++;
    int where = tiers_go(t, PROFILE_TIER0);
    t->loop[loop].before = tiers_rounds(t, loop);
    if (--t->slot[loop].budget != 0 || !tiers_look(t, loop, &pointer, false))
        pointer = tier0_run(t, loop, pointer);
    tiers_go(t, where);
    return pointer;
}

/* The budget of a loop in baseline code is used up. */
static uint8_t *tiers_look_in_code(struct rt *rt, uint8_t *pointer, uint32_t loop) {
    return tiers_look(rt->tiers, loop, &pointer, true) ? pointer : NULL;
}

/* The stack is short: no unit is entered until this returns. */
static uint8_t *tiers_call_deep(struct rt *rt, uint8_t *pointer, uint32_t loop) {
    struct tiers *t = rt->tiers;
    t->deep++;
    int where = tiers_go(t, PROFILE_TIER0);
    t->slot[loop].entries++;
    t->loop[loop].before = tiers_rounds(t, loop);
    pointer = tier0_run(t, loop, pointer);
    tiers_go(t, where);
    t->deep--;
    return pointer;
}

/* Below this address the stack is short. */
static void *tiers_stack_limit(void) {
    struct rlimit limit;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), bytes = STACK_MOST;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur / STACK_SHARE < bytes)
        bytes = (uintptr_t)limit.rlim_cur / STACK_SHARE;
    return (void *)(here - bytes);
}

/* ---- the run ---- */

bool tiers_run(struct program *p, struct rt *rt, const struct tier_options *o,
               struct tier_stats *stats) {
    struct tiers t = {.op = p->op, .rt = rt, .o = o, .stats = stats};
    *stats = (struct tier_stats){0};
    rt->tiers = &t;
    rt->loop_deep = tiers_call_deep;
    rt->look = tiers_look_in_code;
    rt->stack_limit = tiers_stack_limit();
    struct profile profile;
    if (o->profile) {
        t.profile = &profile;
        profile_start(&profile, &t);
    }
    const uint8_t *end = tier0_run(&t, NO_LOOP, rt->tape.base);
    if (o->profile)
        profile_stop(&profile);
    bool over = t.worker == NULL || worker_stop(t.worker, o->wait_at_end);
    if (t.can_compile)
        fault_remove();
    if (rt->end == RUN_DONE) {
        int64_t bytes = (int64_t)((uintptr_t)end - (uintptr_t)rt->tape.base);
        rt->end_pointer = bytes / (int64_t)rt->tape.cell_bytes;
    }
    stats->loops = t.nloop;
    for (uint32_t i = 0; i < t.nloop && o->log != NULL; i++)
        if (t.loop[i].state == TIER_COMPILED)
            tiers_log(&t, i, "was entered %u times as machine code by the interpreter",
                      t.loop[i].unit_entries);
    if (o->finish != NULL)
        o->finish(o->context, &t);
    if (o->profile)
        profile_free(&profile);
    for (uint32_t i = 0; i < t.nloop && o->profile; i++)
        xfree(t.loop[i].trips);
    xfree(t.loop);
    xfree(t.slot);
    xfree(t.waiting);
    rt->tiers = NULL;
    rt->loop = NULL;
    return over;
}
