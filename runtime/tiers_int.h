/* tiers_int.h: what tier0.c, tiers.c and tier_unit.c share. */
#ifndef BFOPT_RUNTIME_TIERS_INT_H
#define BFOPT_RUNTIME_TIERS_INT_H

#include "runtime/alloc.h"
#include "runtime/profile.h"
#include "runtime/tiers.h"

enum tier_state {
    TIER_COLD,    /* not hot yet */
    TIER_WAITING, /* asked for, but others come first */
    TIER_REQUESTED,
    TIER_COMPILED, /* tiers.slot[] has its unit */
    TIER_FAILED,   /* cannot be compiled */
};

/* A loop with a number. */
struct tier_loop {
    uint32_t open, close;  /* places of its brackets */
    uint32_t parent;       /* number of the loop around it, or NO_LOOP */
    uint32_t granted;      /* what the budget was (struct rt_slot) */
    uint64_t rounds;       /* but those of the present budget */
    uint32_t unit_entries; /* of its unit, from tier 0 */
    uint32_t own;          /* operations of a round without those of inner loops; 0: not counted */
    uint32_t cover;        /* the unit it is part of, or NO_LOOP */
    uint32_t urgency;      /* looks since it was asked for, at it or at a loop inside */
    uint64_t heat;         /* operations that it and the loops inside have run, roughly */
    uint32_t taken;        /* entries when it was compiled */
    uint64_t before;       /* with a profile: rounds when it was entered */
    uint32_t *trips;       /* with a profile: how often an entry made 2^i and more rounds */
    rt_loop *baseline;     /* NULL: not made */
    uint32_t left;         /* as program.left of its calls, once `balanced` is known */
    uint8_t state;         /* enum tier_state */
    uint8_t balanced;      /* enum tier_balance */
    uint8_t patience;      /* looks for which it waits for a loop around it that was asked for */
    bool around;           /* was asked for because a loop inside it was hot */
    bool no_baseline;      /* it cannot be made */
    bool is_long;          /* its unit calls long loops: so it is long itself */
};
#define NO_LOOP       UINT32_MAX
#define TIER_PATIENCE 8 /* see struct tier_loop */
#define TIER_AHEAD    2 /* loops that the compiler has at a time */

/* With a profile: an entry made n rounds. */
#define TIER_TRIPS 32
static inline void tiers_count_trip(struct tier_loop *l, uint64_t n) {
    unsigned i = n == 0 ? 0 : 63 - (unsigned)__builtin_clzll(n);
    if (l->trips == NULL)
        l->trips = xcalloc(TIER_TRIPS, sizeof *l->trips);
    l->trips[i < TIER_TRIPS ? i : TIER_TRIPS - 1]++;
}
static inline bool tiers_is_open(uint32_t kind) {
    return kind == BF_OPEN || kind == T0_OPEN || kind == T0_CLEAR || kind == T0_SCAN ||
           kind == T0_MULTIPLY;
}
static inline bool tiers_is_close(uint32_t kind) {
    return kind == BF_CLOSE || kind == T0_CLOSE;
}

/* What the parser made of it, as far as it is no bracket. */
static inline uint32_t tiers_plain(uint32_t kind) {
    return kind >= T0_MOVE_ADD && kind < T0_COUNT ? (uint32_t)BF_MOVE : kind;
}

enum tier_balance { BALANCE_UNKNOWN, BALANCED, UNBALANCED };

struct tiers {
    struct bf_op *op;
    struct rt *rt;
    const struct tier_options *o;
    struct tier_stats *stats;
    struct tier_loop *loop;
    struct rt_slot *slot; /* by loop; rt->loop */
    uint32_t nloop, loop_cap, slot_cap;
    uint32_t drawn;             /* thresholds, for tests */
    bool prepared, can_compile; /* a loop was hot; faults can be caught */
    uint32_t deep;              /* calls that came by rt->loop_deep */
    struct tier_worker *worker; /* NULL: compiling is done when it is asked for */
    uint32_t *waiting;          /* loops asked for and not handed to the compiler yet */
    uint32_t nwaiting, waiting_cap;
    uint32_t nrequest;               /* handed to it, and not come back */
    struct profile *profile;         /* NULL: nothing is counted or sampled */
    const struct bf_op *volatile at; /* with a profile: the operation of tier 0 */
};

static inline uint64_t tiers_rounds(const struct tiers *t, uint32_t loop) {
    const struct tier_loop *l = &t->loop[loop];
    return l->rounds + (l->granted - t->slot[loop].budget);
}

/* With a profile: a loop that tier 0 does at once made n rounds. */
static inline void tiers_count_entry(struct tiers *t, uint32_t loop, uint64_t n) {
    t->slot[loop].entries++;
    t->loop[loop].rounds += n;
    tiers_count_trip(&t->loop[loop], n);
}

/* ---- tier0.c ---- */

/* What the loop at op[open] is: T0_CLEAR, T0_SCAN, T0_MULTIPLY, or T0_OPEN. */
enum tier_kind tier0_kind(const struct bf_op *op, uint32_t open);

/* Runs a loop whose entry test has succeeded, or the whole program (NO_LOOP).  Returns the pointer
 * behind it; rt->end says whether it came that far. */
uint8_t *tier0_run(struct tiers *t, uint32_t loop, uint8_t *pointer);

/* ---- tiers.c ---- */

/* The number of the loop that opens at op[open], inside loop `parent`: its CLOSE tells from now
 * on. */
uint32_t tiers_number(struct tiers *t, uint32_t open, uint32_t parent);
/* The budget of a loop is used up, while the pointer is at its head and its cell is not 0: takes
 * count and decides.  in_code: baseline code asks, which can go on by itself.  True: the loop was
 * run to its end by machine code, *pointer is where. */
bool tiers_look(struct tiers *t, uint32_t loop, uint8_t **pointer, bool in_code);

/* ---- tier_choice.c ---- */

/* Notes the rounds of a loop since it was looked at last: it and what is around it got hotter. */
void tiers_heat(struct tiers *t, uint32_t loop, uint64_t rounds);
/* A compiled loop is entered once more. */
void tiers_heat_entry(struct tiers *t, uint32_t loop);
/* Does an entry of the loop take so long that calling its unit costs nothing beside it? */
bool tiers_is_long(const struct tiers *t, uint32_t loop);
/* The loop is hot and cold: asks for it or a loop around it, if it is not to wait for another.
 * Returns which, or NO_LOOP. */
uint32_t tiers_choose(struct tiers *t, uint32_t loop);
/* Takes the most urgent out of the loops that wait, which are not none. */
uint32_t tiers_next(struct tiers *t);
/* Those that wait and have become part of this unit need not wait any more. */
void tiers_drop_covered(struct tiers *t, uint32_t unit);

/* ---- tier_unit.c ---- */

/* Cuts a loop out of the program, and notes which loops it covers.  False: it is too large.  May be
 * left where memory runs out: everything is counted or linked only when it is there. */
bool tier_unit_cut(struct tiers *t, uint32_t loop, struct tier_request *r);

/* ---- tier_baseline.c ---- */

/* The same for baseline code, for which operations stay what tier 0 made of them. */
bool tier_baseline_cut(struct tiers *t, uint32_t loop, struct tier_request *r);

#endif
