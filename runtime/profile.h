/* profile.h: where a run in tiers spends its time: samples, by source position.  profile.c.
 *
 * A timer of the running thread's processor time interrupts it; each interrupt is one sample of
 * the operation under way.  Counts of rounds are not sampled: tier 0 counts them (tier0_loop.h).
 */
#ifndef BFOPT_RUNTIME_PROFILE_H
#define BFOPT_RUNTIME_PROFILE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* What was running. */
enum profile_where {
    PROFILE_TIER0,
    PROFILE_CODE,
    PROFILE_CALLED,    /* the run time, from machine code: input, output */
    PROFILE_COMPILING, /* in the running thread */
    PROFILE_WHERES,
};

/* Samples at one operation of the source; n[] by enum profile_where. */
struct profile_sample {
    uint32_t src;
    uint32_t n[PROFILE_WHERES];
};

struct tiers;
struct profile {
    struct tiers *t;
    struct profile_sample *sample; /* profile_stop leaves them sorted, [0, nsample) */
    uint32_t nsample;
    uint64_t n[PROFILE_WHERES]; /* sums */
    uint64_t lost;              /* more places than there is room for */
    double seconds;             /* processor time of the running thread */
    volatile sig_atomic_t where;
    timer_t timer;
};

/* Starts sampling the calling thread, which runs t.  False: the kernel has no such timer; the
 * profile then has no samples. */
bool profile_start(struct profile *p, struct tiers *t);
void profile_stop(struct profile *p);
void profile_free(struct profile *p);

#endif
