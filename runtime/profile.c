/* profile.c: takes the samples of --profile.
 *
 * The interrupted instruction says where the run is:
 *   in a unit            its table of places (struct fault_unit) has the source position
 *   called by a unit     (stubs, input and output) the return address below its frame has it
 *   anywhere else        tier 0, which notes its operation in t->at
 *
 * The handler may interrupt anything, so it only counts, in a table made before: open addressing
 * by source position, never more than half full.
 *
 * A run with a profile that is interrupted (Ctrl-C) ends as such, and is reported: tier 0, input
 * and output notice that they are asked to (rt->asked); a unit is led to its exit by the next
 * sample that finds it in a block, or in what a block called in the unit, where its frame is
 * complete, as by a fault.
 */
#include "runtime/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/alloc.h"
#include "runtime/tiers_int.h"

#define PROFILE_SLOTS 65536u /* a power of two */
#define PROFILE_FREE  UINT32_MAX
#define PROFILE_TICK  1000000 /* nanoseconds; kernels may round it up to 4 ms */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct profile *profile_running;
static struct sigaction profile_before;

/* The source position of the instruction at pc, or NO_PLACE. */
#define NO_PLACE UINT32_MAX
static uint32_t profile_place(uintptr_t pc) {
    const struct fault_unit *u = fault_unit_at(pc);
    if (u == NULL || u->nplace == 0)
        return NO_PLACE;
    uint32_t code = (uint32_t)(pc - (uintptr_t)u->code), low = 0, high = u->nplace;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (u->place[middle].code <= code)
            low = middle;
        else
            high = middle;
    }
    return u->place[low].src;
}

static void profile_count(struct profile *p, uint32_t src, enum profile_where where) {
    p->n[where]++;
    uint32_t i = src * 2654435761u % PROFILE_SLOTS;
    while (p->sample[i].src != src && p->sample[i].src != PROFILE_FREE)
        i = (i + 1) % PROFILE_SLOTS;
    if (p->sample[i].src == PROFILE_FREE) {
        if (p->nsample == PROFILE_SLOTS / 2) {
            p->lost++;
            return;
        }
        p->nsample++;
        p->sample[i].src = src;
    }
    p->sample[i].n[where]++;
}

#if defined(__x86_64__)
static void profile_sample(struct profile *p, const ucontext_t *context) {
    const struct tiers *t = p->t;
    uintptr_t pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    uintptr_t sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
    uint32_t here = t->at != NULL ? t->at->src : 0;
    enum profile_where where = (enum profile_where)p->where;
    bool in_code = fault_unit_at(pc) != NULL;
    if (!in_code && where != PROFILE_CODE) {
        profile_count(p, here, where);
        return;
    }
    uint32_t src = profile_place(pc);
    uintptr_t frame = (uintptr_t)t->rt->saved_sp;
    if (src == NO_PLACE && frame != 0 && sp < frame) {
        uintptr_t back; /* what a call from the unit pushed */
        memcpy(&back, (void *)(frame - sizeof back), sizeof back);
        src = profile_place(back - 1);
    }
    profile_count(p, src != NO_PLACE ? src : here, in_code ? PROFILE_CODE : PROFILE_CALLED);
}
#endif

#if defined(__x86_64__)
/* Is pc in a block of a unit, or in what a block of the same unit has called, such as a scan?  Then
 * rt->saved_sp is that unit's. */
static bool profile_in_block(uintptr_t pc, uintptr_t sp, uintptr_t frame) {
    const struct fault_unit *u = fault_unit_at(pc);
    uintptr_t back;
    if (u == NULL || sp > frame || u->nplace < 2 || pc - (uintptr_t)u->code < u->place[1].code)
        return false; /* the prologue comes first, until when saved_sp is another unit's */
    if (sp == frame)
        return profile_place(pc) != NO_PLACE;
    memcpy(&back, (void *)(frame - sizeof back), sizeof back); /* what the call pushed */
    return fault_unit_at(back - 1) == u && profile_place(back - 1) != NO_PLACE;
}

/* Leaves the unit that was interrupted, if it was, where its frame is complete. */
static void profile_leave(struct rt *rt, ucontext_t *context) {
    greg_t *reg = context->uc_mcontext.gregs;
    uintptr_t pc = (uintptr_t)reg[REG_RIP], frame = (uintptr_t)rt->saved_sp;
    if (rt->end != RUN_DONE || !profile_in_block(pc, (uintptr_t)reg[REG_RSP], frame))
        return;
    rt->end = RUN_INTERRUPTED;
    rt->end_errno = rt->asked;
    reg[REG_RIP] = (greg_t)(uintptr_t)fault_unit_at(pc)->exit_stub;
    reg[REG_RSP] = (greg_t)frame;
}
#endif

static void profile_on_tick(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)info;
    int error = errno;
#if defined(__x86_64__)
    if (profile_running != NULL) {
        profile_sample(profile_running, context);
        if (profile_running->t->rt->asked)
            profile_leave(profile_running->t->rt, context);
    }
#else
    (void)context;
#endif
    errno = error;
}

static double profile_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool profile_start(struct profile *p, struct tiers *t) {
    *p = (struct profile){.t = t, .seconds = -profile_seconds()};
    p->sample = xalloc(PROFILE_SLOTS, sizeof *p->sample);
    memset(p->sample, 0, PROFILE_SLOTS * sizeof *p->sample);
    for (uint32_t i = 0; i < PROFILE_SLOTS; i++)
        p->sample[i].src = PROFILE_FREE;
    struct sigaction action = {.sa_sigaction = profile_on_tick,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    struct itimerspec every = {.it_interval = {.tv_nsec = PROFILE_TICK},
                               .it_value = {.tv_nsec = PROFILE_TICK}};
    if (sigaction(SIGPROF, &action, &profile_before) != 0)
        return false;
    profile_running = p;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &p->timer) == 0) {
        if (timer_settime(p->timer, 0, &every, NULL) == 0) {
            t->rt->can_ask = true;
            return true;
        }
        timer_delete(p->timer);
    }
    profile_running = NULL;
    sigaction(SIGPROF, &profile_before, NULL);
    return false;
}

static int profile_by_place(const void *a, const void *b) {
    const struct profile_sample *x = a, *y = b;
    return (x->src > y->src) - (x->src < y->src);
}

void profile_stop(struct profile *p) {
    p->t->rt->can_ask = false;
    p->t->rt->asked = 0;
    p->seconds += profile_seconds();
    if (profile_running == p) {
        timer_delete(p->timer);
        struct sigaction ignore = {.sa_handler = SIG_IGN}; /* one may be under way */
        sigaction(SIGPROF, &ignore, NULL);
        profile_running = NULL;
        sigaction(SIGPROF, &profile_before, NULL);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < PROFILE_SLOTS; i++)
        if (p->sample[i].src != PROFILE_FREE)
            p->sample[n++] = p->sample[i];
    qsort(p->sample, n, sizeof *p->sample, profile_by_place);
}

void profile_free(struct profile *p) {
    xfree(p->sample);
    p->sample = NULL;
}
