/* ra_scan.c: the linear scan: intervals in order of their start each get a register, or memory.
 *
 * When no register is free long enough, an interval is split: the part that fits keeps a register,
 * the rest queues again.  When none is free at all, the interval whose next use is furthest away
 * goes to memory, to come back before that use; ways back are placed in the shallowest loop on the
 * way.  (Wimmer & Mössenböck, "Optimized Interval Splitting in a Linear Scan Register Allocator",
 * VEE 2005; Wimmer & Franz, CGO 2010.) */
#include <assert.h>
#include <string.h>

#include "backend/ra_int.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

/* How many blocks a search for the shallowest place looks at. */
#define DEPTH_SEARCH 64

/* How many values, each of which wants the next one's register. */
#define HINTS 64

struct scan {
    struct ra *ra;
    uint32_t pos;
    uint32_t active[MACH_MAX_PHYS];   /* interval in a register, RA_NONE: free */
    uint32_t inactive[MACH_MAX_PHYS]; /* list of intervals with a hole at pos, by link */
    uint32_t held;                    /* mask: registers with an active interval */
    uint32_t waiting;                 /* mask: registers with inactive ones */
    uint32_t *heap, nheap, heap_cap;  /* children of splits, by start */
    uint32_t slot_end[256];           /* end of the last interval of each early slot */
};

/* ---- small helpers ---- */

static uint32_t next_random(struct ra *ra) {
    ra->random ^= ra->random << 13;
    ra->random ^= ra->random >> 7;
    ra->random ^= ra->random << 17;
    return (uint32_t)(ra->random >> 32);
}

static bool chance(struct ra *ra, unsigned one_in) {
    return ra->opt.seed != 0 && next_random(ra) % one_in == 0;
}

uint32_t ra_block_at(const struct ra *ra, uint32_t pos) {
    uint32_t lo = 0, hi = ra->m->nblock;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (ra_from(ra, mid) <= pos)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

bool ra_at_block_start(const struct ra *ra, uint32_t pos) {
    return ra_from(ra, ra_block_at(ra, pos)) == pos;
}

/* Moves the cursor of an interval past ranges that end at or before pos. */
static void advance(struct ra *ra, struct interval *iv, uint32_t pos) {
    while (iv->cur && ra->range[iv->cur].to <= pos)
        iv->cur = ra->range[iv->cur].next;
}

static bool covers_now(const struct ra *ra, const struct interval *iv, uint32_t pos) {
    return iv->cur && ra->range[iv->cur].from <= pos;
}

/* First position both intervals cover, from their cursors on; RA_NONE if there is none. */
static uint32_t intersection(const struct ra *ra, const struct interval *a,
                             const struct interval *b) {
    uint32_t i = a->cur, j = b->cur;
    while (i && j) {
        const struct ra_range *x = &ra->range[i], *y = &ra->range[j];
        if (x->to <= y->from)
            i = x->next;
        else if (y->to <= x->from)
            j = y->next;
        else
            return x->from > y->from ? x->from : y->from;
    }
    return RA_NONE;
}

/* First position from which a register's own stretches collide with iv. */
static uint32_t fixed_collision(struct ra *ra, unsigned reg, const struct interval *iv) {
    struct ra_fixed_list *l = &ra->fixed[reg];
    while (l->cur < l->n && l->p[l->cur].to <= iv->start)
        l->cur++;
    uint32_t r = iv->cur;
    for (uint32_t k = l->cur; k < l->n && r && l->p[k].from < iv->end; k++) {
        const struct ra_fixed *f = &l->p[k];
        if (f->owner == iv->vreg)
            continue;
        while (r && ra->range[r].to <= f->from)
            r = ra->range[r].next;
        if (r && ra->range[r].from < f->to)
            return ra->range[r].from > f->from ? ra->range[r].from : f->from;
    }
    return RA_NONE;
}

/* The first use at or after pos (must: that needs a register), RA_NONE if there is none. */
static uint32_t next_use(struct ra *ra, struct interval *iv, uint32_t pos, bool must) {
    while (iv->cur_use && ra->use[iv->cur_use].pos / 2 < pos)
        iv->cur_use = ra->use[iv->cur_use].next;
    uint32_t u = iv->cur_use;
    while (u && (ra->use[u].pos / 2 < pos || (must && !(ra->use[u].pos & 1))))
        u = ra->use[u].next;
    return u ? ra->use[u].pos / 2 : RA_NONE;
}

/* ---- the queue of split children ---- */

static bool heap_less(const struct scan *s, uint32_t a, uint32_t b) {
    const struct interval *x = &s->ra->iv[a], *y = &s->ra->iv[b];
    return x->start != y->start ? x->start < y->start : a < b;
}

static void heap_push(struct scan *s, uint32_t iv) {
    s->heap = xgrow(s->heap, &s->heap_cap, (uint64_t)s->nheap + 1, sizeof *s->heap);
    uint32_t i = s->nheap++;
    while (i > 0 && heap_less(s, iv, s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = iv;
}

static uint32_t heap_pop(struct scan *s) {
    uint32_t top = s->heap[0], last = s->heap[--s->nheap], i = 0;
    for (;;) {
        uint32_t k = 2 * i + 1;
        if (k >= s->nheap)
            break;
        if (k + 1 < s->nheap && heap_less(s, s->heap[k + 1], s->heap[k]))
            k++;
        if (!heap_less(s, s->heap[k], last))
            break;
        s->heap[i] = s->heap[k];
        i = k;
    }
    if (s->nheap > 0)
        s->heap[i] = last;
    return top;
}

/* ---- splitting ---- */

static uint32_t new_child(struct ra *ra, uint32_t parent) {
    uint32_t n = ra->niv;
    ra->iv = xgrow(ra->iv, &ra->iv_cap, (uint64_t)n + 1, sizeof *ra->iv);
    ra->niv++;
    struct interval *p = &ra->iv[parent];
    if (ra->iv[p->vreg].child == 0) {
        ra->split = xgrow(ra->split, &ra->split_cap, (uint64_t)ra->nsplit + 1, sizeof(uint32_t));
        ra->split[ra->nsplit++] = p->vreg;
    }
    ra->iv[n] =
        (struct interval){.vreg = p->vreg, .end = p->end, .child = p->child, .reg = RA_UNSET};
    p->child = n;
    ra->stats.splits++;
    return n;
}

/* Hands the ranges of iv from pos on to its child c; c starts at pos or behind the hole there. */
static void split_ranges(struct ra *ra, struct interval *iv, struct interval *c, uint32_t pos) {
    uint32_t r = iv->range, before = 0;
    if (iv->cur && ra->range[iv->cur].from < pos)
        r = iv->cur;
    while (r && ra->range[r].to <= pos) {
        before = r;
        r = ra->range[r].next;
    }
    assert(r && "a split behind the end");
    if (ra->range[r].from < pos) {
        ra->range = xgrow(ra->range, &ra->range_cap, (uint64_t)ra->nrange + 1, sizeof *ra->range);
        uint32_t n = ra->nrange++;
        ra->range[n] = ra->range[r];
        ra->range[n].from = pos;
        ra->range[r].to = pos;
        before = r;
        r = n;
    }
    assert(before && "a split at the start");
    ra->range[before].next = 0;
    iv->end = ra->range[before].to;
    c->range = c->cur = r;
    c->start = ra->range[r].from;
    if (iv->cur == r)
        iv->cur = 0;
}

static void split_uses(struct ra *ra, struct interval *iv, struct interval *c, uint32_t pos) {
    uint32_t u = iv->use, before = 0;
    while (u && ra->use[u].pos / 2 < pos) {
        before = u;
        u = ra->use[u].next;
    }
    if (before)
        ra->use[before].next = 0;
    else
        iv->use = 0;
    if (iv->cur_use && ra->use[iv->cur_use].pos / 2 >= pos)
        iv->cur_use = 0;
    c->use = c->cur_use = u;
}

/* Splits interval i at pos, strictly inside it; returns the new second part. */
static uint32_t split_at(struct ra *ra, uint32_t i, uint32_t pos) {
    uint32_t c = new_child(ra, i);
    split_ranges(ra, &ra->iv[i], &ra->iv[c], pos);
    split_uses(ra, &ra->iv[i], &ra->iv[c], pos);
    return c;
}

/* The even position in [lo, hi] with the shallowest loop, the latest of those; a block start is
 * preferred to the middle of an equally deep block.  hi is even. */
static uint32_t best_gap(const struct ra *ra, uint32_t lo, uint32_t hi) {
    lo += lo & 1;
    if (lo >= hi)
        return hi;
    uint32_t b = ra_block_at(ra, hi), best = hi, depth = ra->m->block[b].depth;
    for (unsigned n = 0; n < DEPTH_SEARCH && ra_from(ra, b) > lo; n++, b--) {
        if (ra->m->block[b - 1].depth < depth) {
            depth = ra->m->block[b - 1].depth;
            best = ra_from(ra, b);
        }
    }
    return best;
}

/* ---- memory ---- */

bool ra_remat(const struct ra *ra, uint32_t v) {
    const struct minsn *in = &ra->insn[ra->def[v]];
    return ra->t->rematerializable && !(mach_desc(ra->m, in)->flags & MD_PHI) &&
           ra->t->rematerializable(in);
}

/* The vreg's whole lifetime: its slot is taken from the definition on. */
static uint32_t lifetime_end(const struct ra *ra, uint32_t v) {
    uint32_t i = v;
    while (ra->iv[i].child)
        i = ra->iv[i].child;
    return ra->iv[i].end;
}

static void assign_slot(struct scan *s, uint32_t v) {
    struct ra *ra = s->ra;
    if (ra->slot[v] != RA_NONE || ra_remat(ra, v))
        return;
    uint32_t end = lifetime_end(ra, v), known = ra->nslots < 256 ? ra->nslots : 256;
    for (uint32_t k = 0; k < known; k++) {
        if (s->slot_end[k] <= ra->iv[v].start) {
            s->slot_end[k] = end;
            ra->slot[v] = k;
            return;
        }
    }
    if (ra->nslots < 256)
        s->slot_end[ra->nslots] = end;
    ra->slot[v] = ra->nslots++;
}

/* Interval i lives in memory from its start on; a part that must be in a register queues again. */
static void to_memory(struct scan *s, uint32_t i) {
    struct ra *ra = s->ra;
    ra->iv[i].reg = RA_MEMORY;
    ra->stats.spills++;
    assign_slot(s, ra->iv[i].vreg);
    uint32_t use = next_use(ra, &ra->iv[i], ra->iv[i].start, true);
    if (use == RA_NONE)
        return;
    uint32_t gap = use & ~1u, lo = ra->iv[i].start + 1;
    if (lo < s->pos)
        lo = s->pos;
    assert(gap >= s->pos && gap > ra->iv[i].start && "a use that cannot wait went to memory");
    heap_push(s, split_at(ra, i, best_gap(ra, lo, gap)));
}

/* The end of the last use (must: that needs a register) at or before pos: the earliest place where
 * the interval may leave its register. */
static uint32_t last_use_end(const struct ra *ra, const struct interval *iv, uint32_t pos,
                             bool must) {
    uint32_t end = 0;
    for (uint32_t u = iv->use; u && ra->use[u].pos / 2 <= pos; u = ra->use[u].next)
        if (!must || (ra->use[u].pos & 1))
            end = ra->use[u].pos / 2 + 1;
    return end;
}

/* Interval i gives its register up at s->pos, where another one begins. */
static void evict(struct scan *s, uint32_t i) {
    struct ra *ra = s->ra;
    uint32_t pos = s->pos, busy = last_use_end(ra, &ra->iv[i], pos, false);
    if ((pos & 1) && busy < pos)
        pos--; /* so that the newcomer may be filled in the gap before */
    if (pos <= ra->iv[i].start) {
        to_memory(s, i);
        return;
    }
    to_memory(s, split_at(ra, i, pos));
}

/* ---- choosing ---- */

/* How long each register stays free for iv: a position, 0 if it is not free at all. */
static void free_until(struct scan *s, const struct interval *iv, uint32_t *until) {
    struct ra *ra = s->ra;
    for (unsigned n = 0; n < ra->nusable; n++) {
        unsigned r = ra->usable[n];
        if (s->held >> r & 1) {
            until[r] = 0;
            continue;
        }
        uint32_t best = fixed_collision(ra, r, iv);
        for (uint32_t k = s->waiting >> r & 1 ? s->inactive[r] : RA_NONE; k != RA_NONE;
             k = ra->iv[k].link) {
            uint32_t x = intersection(ra, iv, &ra->iv[k]);
            if (x < best)
                best = x;
        }
        until[r] = best <= iv->start ? 0 : best;
    }
}

/* The register that hints ask for, or -1. */
static int hinted(const struct ra *ra, const struct interval *iv) {
    if (ra->hint_reg[iv->vreg] >= 0)
        return ra->hint_reg[iv->vreg];
    /* Where the other is not placed yet, what it wants itself is the next best guess. */
    uint32_t h = ra->hint[iv->vreg], last = iv->vreg;
    for (unsigned n = 0; h != RA_NONE && n < HINTS; n++) {
        const struct interval *o = &ra->iv[h];
        while (o->child && ra->iv[o->child].start <= iv->start)
            o = &ra->iv[o->child];
        if (o->reg < MACH_MAX_PHYS)
            return o->reg;
        if (o->reg != RA_UNSET || ra->hint[h] == last)
            return -1;
        last = h;
        h = ra->hint[h];
    }
    return -1;
}

static bool is_usable(const struct ra *ra, int reg) {
    for (unsigned n = 0; n < ra->nusable; n++)
        if (ra->usable[n] == reg)
            return true;
    return false;
}

static void occupy(struct scan *s, uint32_t i, unsigned reg) {
    s->ra->iv[i].reg = (uint8_t)reg;
    s->active[reg] = i;
    s->held |= 1u << reg;
}

/* The best of the free registers: the hinted one if it lasts, else one that lasts long enough with
 * the least to spare kept for others, else the one that lasts longest. */
static int pick_free(struct ra *ra, const struct interval *iv, const uint32_t *until) {
    int hint = hinted(ra, iv);
    if (hint >= 0 && is_usable(ra, hint) && until[hint] >= iv->end && !chance(ra, 4))
        return hint;
    int best = -1;
    unsigned skip = ra->opt.seed ? next_random(ra) % ra->nusable : 0;
    for (unsigned n = 0; n < ra->nusable; n++) {
        int r = ra->usable[(n + skip) % ra->nusable];
        if (best < 0 || (until[best] < iv->end && until[r] > until[best]))
            best = r;
    }
    /* A split of the hinted register's stretch is no worse than one of the best's. */
    if (hint >= 0 && is_usable(ra, hint) && until[best] < iv->end && until[hint] == until[best])
        best = hint;
    return until[best] ? best : -1;
}

static bool try_free(struct scan *s, uint32_t i) {
    struct ra *ra = s->ra;
    uint32_t until[MACH_MAX_PHYS];
    free_until(s, &ra->iv[i], until);
    int r = pick_free(ra, &ra->iv[i], until);
    if (r < 0)
        return false;
    if (until[r] < ra->iv[i].end) {
        uint32_t use = next_use(ra, &ra->iv[i], ra->iv[i].start, true);
        uint32_t lo = ra->iv[i].start + 1, hi = until[r] & ~1u;
        if (hi < lo || (use != RA_NONE && use >= until[r]))
            return false; /* the register would be lost before it serves */
        heap_push(s, split_at(ra, i, hi == lo ? hi : best_gap(ra, lo, hi)));
    }
    occupy(s, i, (unsigned)r);
    return true;
}

/* Next use (must: that needs a register) of whatever is in register r, s->pos if it is in use right
 * now; and the first stretch the register needs for itself. */
static void register_demand(struct scan *s, const struct interval *iv, unsigned r, bool must,
                            uint32_t *use, uint32_t *blocked) {
    struct ra *ra = s->ra;
    *use = RA_NONE;
    *blocked = fixed_collision(ra, r, iv);
    if (s->held >> r & 1) {
        struct interval *a = &ra->iv[s->active[r]];
        *use = next_use(ra, a, s->pos, must);
        if (last_use_end(ra, a, s->pos, must) > s->pos || (a->start == s->pos && !must))
            *use = s->pos;
        if (a->start == s->pos && (*use & ~1u) <= s->pos)
            *use = s->pos; /* it has just come for a use it cannot leave before */
    }
    for (uint32_t k = s->inactive[r]; k != RA_NONE; k = ra->iv[k].link) {
        if (intersection(ra, iv, &ra->iv[k]) == RA_NONE)
            continue;
        uint32_t u = next_use(ra, &ra->iv[k], s->pos, must);
        if (u < *use)
            *use = u;
    }
}

/* A register and how far it can be had for. */
struct choice {
    int reg;
    uint32_t use, blocked;
};

/* The register whose contents are needed last (must: whose contents must be in a register last). */
static struct choice pick_blocked(struct scan *s, const struct interval *iv, bool must) {
    struct choice best = {-1, 0, 0};
    for (unsigned n = 0; n < s->ra->nusable; n++) {
        uint32_t use, blocked;
        register_demand(s, iv, s->ra->usable[n], must, &use, &blocked);
        if (blocked <= (iv->start | 1u))
            use = 0; /* not even for one instruction */
        else if (blocked < use)
            use = blocked;
        if (best.reg < 0 || use > best.use)
            best = (struct choice){s->ra->usable[n], use, blocked};
    }
    return best;
}

/* Sends everything that collides with iv out of register r. */
static void clear_register(struct scan *s, uint32_t i, unsigned r) {
    struct ra *ra = s->ra;
    if (s->held >> r & 1) {
        uint32_t a = s->active[r];
        s->held &= ~(1u << r);
        evict(s, a);
    }
    uint32_t *link = &s->inactive[r];
    while (*link != RA_NONE) {
        uint32_t k = *link;
        if (intersection(ra, &ra->iv[i], &ra->iv[k]) == RA_NONE) {
            link = &ra->iv[k].link;
            continue;
        }
        *link = ra->iv[k].link;
        /* In a hole: the part behind it queues again; it may begin with a use, so it cannot be sent
         * to memory here.  Splitting may move ra->iv: find the place again. */
        heap_push(s, split_at(ra, k, s->pos));
        link = &s->inactive[r];
    }
    if (s->inactive[r] == RA_NONE)
        s->waiting &= ~(1u << r);
}

static void allocate_blocked(struct scan *s, uint32_t i) {
    struct ra *ra = s->ra;
    uint32_t start = ra->iv[i].start, first = next_use(ra, &ra->iv[i], start, true);
    struct choice best = pick_blocked(s, &ra->iv[i], false);
    bool now = first <= (start | 1u);
    if (!now && (first == RA_NONE || first >= best.use || best.use <= start)) {
        to_memory(s, i);
        return;
    }
    if (best.use <= s->pos)
        best = pick_blocked(s, &ra->iv[i], true);
    if (best.use <= s->pos)
        bug("register allocation: no register for v%u at position %u", ra->iv[i].vreg, s->pos);
    clear_register(s, i, (unsigned)best.reg);
    if (best.blocked < ra->iv[i].end) {
        uint32_t hi = best.blocked & ~1u;
        if (hi > start)
            heap_push(s, split_at(ra, i, best_gap(ra, start + 1, hi)));
    }
    occupy(s, i, (unsigned)best.reg);
}

/* ---- the scan ---- */

/* Brings the register files' state up to the new position. */
static void retire(struct scan *s, uint32_t pos) {
    struct ra *ra = s->ra;
    for (uint32_t mask = s->held; mask; mask &= mask - 1) {
        unsigned r = (unsigned)__builtin_ctz(mask);
        struct interval *iv = &ra->iv[s->active[r]];
        advance(ra, iv, pos);
        if (covers_now(ra, iv, pos))
            continue;
        s->held &= ~(1u << r);
        if (iv->cur) {
            iv->link = s->inactive[r];
            s->inactive[r] = s->active[r];
            s->waiting |= 1u << r;
        }
    }
    for (uint32_t mask = s->waiting; mask; mask &= mask - 1) {
        unsigned r = (unsigned)__builtin_ctz(mask);
        uint32_t *link = &s->inactive[r];
        while (*link != RA_NONE) {
            uint32_t k = *link;
            struct interval *iv = &ra->iv[k];
            advance(ra, iv, pos);
            if (iv->cur && !covers_now(ra, iv, pos)) {
                link = &iv->link;
                continue;
            }
            *link = iv->link;
            if (iv->cur) {
                assert(!(s->held >> r & 1) && "two intervals in one register");
                s->active[r] = k;
                s->held |= 1u << r;
            }
        }
        if (s->inactive[r] == RA_NONE)
            s->waiting &= ~(1u << r);
    }
}

static void place(struct scan *s, uint32_t i) {
    struct ra *ra = s->ra;
    s->pos = ra->iv[i].start;
    retire(s, s->pos);
    if (chance(ra, 8)) {
        uint32_t use = next_use(ra, &ra->iv[i], s->pos, true);
        if (use == RA_NONE || (use & ~1u) > ra->iv[i].start) {
            to_memory(s, i);
            return;
        }
    }
    /* A part without any use, continuing a value in memory, has no business in a register. */
    if (!try_free(s, i))
        allocate_blocked(s, i);
}

/* Places every queued child that starts before `start`. */
static void place_children(struct scan *s, uint32_t start) {
    while (s->nheap > 0 && s->ra->iv[s->heap[0]].start <= start)
        place(s, heap_pop(s));
}

static void place_vreg(struct scan *s, uint32_t v) {
    if (!s->ra->iv[v].range)
        return;
    place_children(s, s->ra->iv[v].start);
    place(s, v);
}

void ra_scan(struct ra *ra) {
    struct scan s = {.ra = ra};
    memset(s.active, 0xff, sizeof s.active);
    memset(s.inactive, 0xff, sizeof s.inactive);
    /* Definitions come in layout order, so parents need no sorting. */
    for (uint32_t i = 0; i < ra->m->ninsn; i++) {
        const struct minsn *in = &ra->insn[i];
        const struct mdesc *d = mach_desc(ra->m, in);
        if (d->flags & MD_PHI) {
            place_vreg(&s, in->r[0]);
            continue;
        }
        for (unsigned n = 0; n < 3; n++)
            if (d->role[n] == ROLE_TEMP)
                place_vreg(&s, in->r[n]);
        for (unsigned n = 0; n < 3; n++)
            if (d->role[n] == ROLE_DEF)
                place_vreg(&s, in->r[n]);
    }
    place_children(&s, UINT32_MAX);
    xfree(s.heap);
}
