/* tier_choice.c: which of the loops around a hot one is worth being a unit, and which comes first.
 *
 * Heat spreads outwards: first an inner loop is hot, then the one around it, and so on.  Compiling
 * each when its time comes would compile the inner ones again and again.  So:
 *  - A loop whose entries are short is no unit: the loop around it is, if that turns at all.
 *  - A loop whose entries are long is one for good: units around it call it, and are compiled
 *    without it.
 *  - While a loop around it is being compiled, a loop waits; and for TIER_PATIENCE looks while that
 *    one waits for the compiler, or was compiled and has only to be entered.
 *  - The compiler gets the loop next at which, or at loops inside which, was looked most often
 * since it was asked for; by then others may have become part of a unit, and are not asked for any
 * more.
 *
 * What is long is counted in operations of tier 0, of which a loop is known to have run so many for
 * each round that it was looked at for (struct tier_loop, `heat`).
 */
#include "runtime/tiers_int.h"

#include "runtime/alloc.h"

#define LONG  262144 /* operations of an entry: some 300 us in tier 0, 10 us as machine code */
#define TURNS 2      /* rounds of a loop that may well make more */
#define CLIMB 64     /* loops around one that are looked at */
#define NEAR  3      /* when a compiled one is entered */
#define OWN   1000   /* operations of a round that are counted */

/* The operations of a round, inner loops counted as one. */
static uint32_t own_operations(const struct tiers *t, const struct tier_loop *l) {
    uint32_t n = 1;
    for (uint32_t i = l->open + 1; i < l->close && n < OWN; i++, n++)
        if (tiers_is_open(t->op[i].kind))
            i = (uint32_t)t->op[i].arg;
    return n;
}

static void add_heat(struct tiers *t, uint32_t loop, uint64_t heat, unsigned levels) {
    for (unsigned n = 0; loop != NO_LOOP && n < levels; n++, loop = t->loop[loop].parent)
        t->loop[loop].heat += heat;
}

void tiers_heat(struct tiers *t, uint32_t loop, uint64_t rounds) {
    struct tier_loop *l = &t->loop[loop];
    if (l->own == 0)
        l->own = own_operations(t, l);
    add_heat(t, loop, rounds * l->own, CLIMB);
}

/* A compiled loop does what it did on average before; each entry comes here, so no far look. */
void tiers_heat_entry(struct tiers *t, uint32_t loop) {
    const struct tier_loop *l = &t->loop[loop];
    add_heat(t, l->parent, l->heat / ((uint64_t)l->taken + 1), NEAR);
}

bool tiers_is_long(const struct tiers *t, uint32_t loop) {
    const struct tier_loop *l = &t->loop[loop];
    uint32_t entries = l->state == TIER_COMPILED ? l->taken : t->slot[loop].entries;
    return l->is_long || l->heat / ((uint64_t)entries + 1) >= LONG;
}

/* Is the loop part of a unit that has been asked for, and not given up as one that is not entered?
 */
static bool is_covered(const struct tiers *t, const struct tier_loop *l) {
    if (l->cover == NO_LOOP || l->patience == 0)
        return false;
    uint8_t state = t->loop[l->cover].state;
    return state == TIER_REQUESTED || state == TIER_COMPILED;
}

/* The outermost loop around, or the loop itself, that is worth it. */
static uint32_t tiers_climb(const struct tiers *t, uint32_t loop) {
    uint64_t turns = t->o->threshold / 32 > TURNS ? t->o->threshold / 32 : TURNS;
    for (unsigned n = 0; n < CLIMB; n++) {
        uint32_t up = t->loop[loop].parent;
        if (up == NO_LOOP || t->loop[up].state != TIER_COLD || is_covered(t, &t->loop[up]) ||
            tiers_is_long(t, loop) || tiers_rounds(t, up) < turns)
            break;
        loop = up;
    }
    return loop;
}

/* Is there a loop around that is as good as compiled? */
static bool tiers_waits(struct tiers *t, uint32_t loop) {
    struct tier_loop *l = &t->loop[loop];
    if (l->patience == 0)
        return false;
    uint32_t up = l->parent;
    for (unsigned n = 0; up != NO_LOOP && n < CLIMB; n++, up = t->loop[up].parent) {
        struct tier_loop *a = &t->loop[up];
        bool asked = a->state == TIER_REQUESTED || a->state == TIER_COMPILED;
        if (a->state != TIER_WAITING && !(asked && l->cover == up))
            continue;
        a->urgency++;
        if (a->state != TIER_REQUESTED) /* that one will be there soon */
            l->patience--;
        return true;
    }
    return false;
}

uint32_t tiers_choose(struct tiers *t, uint32_t loop) {
    if (tiers_waits(t, loop))
        return NO_LOOP;
    uint32_t chosen = tiers_climb(t, loop);
    struct tier_loop *l = &t->loop[chosen];
    l->state = TIER_WAITING;
    l->around = chosen != loop;
    l->urgency = 0;
    t->waiting = xgrow(t->waiting, &t->waiting_cap, (uint64_t)t->nwaiting + 1, sizeof *t->waiting);
    t->waiting[t->nwaiting++] = chosen;
    return chosen;
}

uint32_t tiers_next(struct tiers *t) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < t->nwaiting; i++)
        if (t->loop[t->waiting[i]].urgency > t->loop[t->waiting[best]].urgency)
            best = i;
    uint32_t loop = t->waiting[best];
    t->waiting[best] = t->waiting[--t->nwaiting];
    return loop;
}

void tiers_drop_covered(struct tiers *t, uint32_t unit) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->nwaiting; i++) {
        struct tier_loop *l = &t->loop[t->waiting[i]];
        if (l->cover != unit) {
            t->waiting[kept++] = t->waiting[i];
        } else {
            l->state = TIER_COLD;
            l->patience = TIER_PATIENCE;
        }
    }
    t->nwaiting = kept;
}
