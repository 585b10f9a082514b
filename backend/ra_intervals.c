/* ra_intervals.c: live intervals from SSA form in one backward pass (Wimmer & Franz, CGO 2010,
 * "BuildIntervals"), with holes, use positions, fixed stretches and hints.
 *
 * Relies on the layout order of mach.h: every block after its dominator, loops contiguous. */
#include "backend/ra_int.h"

#include <assert.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/bug.h"

/* The virtual registers live at the point the backward pass has reached: a sparse set. */
struct live_set {
    uint32_t *dense, *place;
    uint32_t n;
};

/* Live-in lists of the blocks, in one pool. */
struct live_in {
    uint32_t *start, *count;
    uint32_t *pool, n, cap;
};

static bool live_has(const struct live_set *s, uint32_t v) {
    return s->place[v] < s->n && s->dense[s->place[v]] == v;
}

static void live_add(struct live_set *s, uint32_t v) {
    if (live_has(s, v))
        return;
    s->place[v] = s->n;
    s->dense[s->n++] = v;
}

static void live_remove(struct live_set *s, uint32_t v) {
    if (!live_has(s, v))
        return;
    uint32_t last = s->dense[--s->n];
    s->dense[s->place[v]] = last;
    s->place[last] = s->place[v];
}

enum role ra_role(const struct mdesc *d, unsigned n) {
    enum role r = d->role[n];
    return r == ROLE_USE && (d->flags & MD_TIED) && n != 1 ? ROLE_USE_LATE : r;
}

/* Adds [from, to) in front of v's ranges; what overlaps or touches is joined. */
static void add_range(struct ra *ra, uint32_t v, uint32_t from, uint32_t to) {
    struct interval *iv = &ra->iv[v];
    if (iv->range && to >= ra->range[iv->range].from) {
        struct ra_range *first = &ra->range[iv->range];
        if (from < first->from)
            first->from = from;
        while (to > first->to && first->next && ra->range[first->next].from <= to) {
            struct ra_range *second = &ra->range[first->next];
            first->to = second->to;
            first->next = second->next;
        }
        if (to > first->to)
            first->to = to;
        return;
    }
    ra->range = xgrow(ra->range, &ra->range_cap, (uint64_t)ra->nrange + 1, sizeof *ra->range);
    ra->range[ra->nrange] = (struct ra_range){from, to, iv->range};
    iv->range = ra->nrange++;
}

static void add_use(struct ra *ra, uint32_t v, uint32_t pos, bool must) {
    ra->use = xgrow(ra->use, &ra->use_cap, (uint64_t)ra->nuse + 1, sizeof *ra->use);
    ra->use[ra->nuse] = (struct ra_use){2 * pos + must, ra->iv[v].use};
    ra->iv[v].use = ra->nuse++;
}

static void add_fixed(struct ra *ra, unsigned reg, uint32_t from, uint32_t to, uint32_t owner) {
    struct ra_fixed_list *l = &ra->fixed[reg];
    l->p = xgrow(l->p, &l->cap, (uint64_t)l->n + 1, sizeof *l->p);
    l->p[l->n++] = (struct ra_fixed){from, to, owner};
}

/* A commutative tied instruction copies its first source unless that dies here: let it be the one
 * that does. */
static void commute(const struct live_set *live, const struct mdesc *d, struct minsn *in) {
    unsigned both = MD_TIED | MD_COMMUTES;
    if ((d->flags & both) == both && live_has(live, in->r[1]) && !live_has(live, in->r[2])) {
        mreg t = in->r[1];
        in->r[1] = in->r[2];
        in->r[2] = t;
    }
}

static void build_def(struct ra *ra, struct live_set *live, uint32_t v, uint32_t i, int fixed) {
    uint32_t pos = 2 * i + 1;
    if (ra->iv[v].range && live_has(live, v))
        ra->range[ra->iv[v].range].from = pos;
    else
        add_range(ra, v, pos, pos + 1);
    live_remove(live, v);
    add_use(ra, v, pos, fixed < 0);
    if (fixed >= 0)
        add_fixed(ra, (unsigned)fixed, pos, pos + 1, v);
}

static void build_use(struct ra *ra, struct live_set *live, uint32_t v, uint32_t i, uint32_t from,
                      bool late, bool tied, int fixed) {
    uint32_t pos = 2 * i + late;
    add_range(ra, v, from, pos + 1);
    live_add(live, v);
    add_use(ra, v, pos, fixed < 0 && !tied);
    if (fixed >= 0)
        add_fixed(ra, (unsigned)fixed, 2 * i, pos + 1, v);
}

/* Clobbered registers, but for those in which the instruction itself has an operand to the end. */
static void build_clobbers(struct ra *ra, const struct mdesc *d, uint32_t i) {
    uint32_t mask = d->clobbers;
    for (unsigned n = 0; n < 3; n++)
        if (d->fixed[n] >= 0 && (d->role[n] == ROLE_DEF || ra_role(d, n) == ROLE_USE_LATE))
            mask &= ~(1u << d->fixed[n]);
    for (unsigned r = 0; mask != 0; r++, mask >>= 1)
        if (mask & 1)
            add_fixed(ra, r, 2 * i + 1, 2 * i + 2, RA_NONE);
}

static void build_insn(struct ra *ra, struct live_set *live, uint32_t i, uint32_t from) {
    struct minsn *in = &ra->insn[i];
    const struct mdesc *d = mach_desc(ra->m, in);
    build_clobbers(ra, d, i);
    for (unsigned n = 0; n < 3; n++)
        if (d->role[n] == ROLE_DEF)
            build_def(ra, live, in->r[n], i, d->fixed[n]);
    commute(live, d, in);
    for (unsigned n = 0; n < 3; n++) {
        switch (ra_role(d, n)) {
        case ROLE_USE_LATE:
            if (in->r[n] != NO_REG)
                build_use(ra, live, in->r[n], i, from, true, false, d->fixed[n]);
            break;
        case ROLE_TEMP:
            add_range(ra, in->r[n], 2 * i, 2 * i + 2);
            add_use(ra, in->r[n], 2 * i + 1, true);
            if (d->fixed[n] >= 0)
                add_fixed(ra, (unsigned)d->fixed[n], 2 * i, 2 * i + 2, in->r[n]);
            break;
        case ROLE_NONE:
        case ROLE_DEF:
        case ROLE_USE:
            break;
        }
    }
    /* Early uses last, so that each list stays sorted by position. */
    for (unsigned n = 0; n < 3; n++) {
        if (ra_role(d, n) != ROLE_USE || in->r[n] == NO_REG)
            continue;
        bool tied = n == 1 && (d->flags & MD_TIED);
        int fixed = tied && d->fixed[n] < 0 ? d->fixed[0] : d->fixed[n];
        build_use(ra, live, in->r[n], i, from, false, tied, fixed);
    }
}

static bool is_phi(const struct ra *ra, uint32_t i) {
    return (mach_desc(ra->m, &ra->insn[i])->flags & MD_PHI) != 0;
}

static unsigned pred_slot(const struct mach *m, uint32_t from, uint32_t to) {
    return m->block[to].npred > 1 && m->block[to].pred[1] == from ? 1 : 0;
}

/* live := what the successors of b need from it. */
static void live_out(struct ra *ra, const struct live_in *in, struct live_set *live, uint32_t b) {
    const struct mach *m = ra->m;
    live->n = 0;
    for (unsigned n = 0; n < m->block[b].nsucc; n++) {
        uint32_t s = m->block[b].succ[n];
        if (s > b)
            for (uint32_t k = 0; k < in->count[s]; k++)
                live_add(live, in->pool[in->start[s] + k]);
        unsigned slot = pred_slot(m, b, s);
        for (uint32_t i = m->block[s].first; i < m->block[s].end && is_phi(ra, i); i++)
            live_add(live, ra->insn[i].r[1 + slot]);
    }
}

static void store_live_in(struct live_in *in, const struct live_set *live, uint32_t b) {
    in->pool = xgrow(in->pool, &in->cap, (uint64_t)in->n + live->n + 1, sizeof *in->pool);
    in->start[b] = in->n;
    in->count[b] = live->n;
    memcpy(in->pool + in->n, live->dense, live->n * sizeof *live->dense);
    in->n += live->n;
}

/* The last block of the loop that b heads, by its back edges; b itself if there are none. */
static uint32_t last_latch(const struct mach *m, uint32_t b) {
    uint32_t last = m->block[b].loop_end > b ? m->block[b].loop_end : b;
    for (unsigned n = 0; n < m->block[b].npred; n++)
        if (m->block[b].pred[n] > last)
            last = m->block[b].pred[n];
    return last;
}

static bool is_loop_head(const struct mach *m, uint32_t b) {
    for (unsigned n = 0; n < m->block[b].npred; n++)
        if (m->block[b].pred[n] >= b)
            return true;
    return false;
}

static void build_block(struct ra *ra, struct live_in *in, struct live_set *live, uint32_t b) {
    const struct mblock *mb = &ra->m->block[b];
    uint32_t from = ra_from(ra, b);
    live_out(ra, in, live, b);
    for (uint32_t k = 0; k < live->n; k++)
        add_range(ra, live->dense[k], from, ra_to(ra, b));
    for (uint32_t i = mb->end; i-- > mb->first;) {
        if (!is_phi(ra, i)) {
            build_insn(ra, live, i, from);
            continue;
        }
        uint32_t v = ra->insn[i].r[0];
        if (!live_has(live, v))
            add_range(ra, v, from, from + 1);
        live_remove(live, v);
    }
    if (is_loop_head(ra->m, b)) {
        uint32_t to = ra_to(ra, last_latch(ra->m, b));
        for (uint32_t k = 0; k < live->n; k++)
            add_range(ra, live->dense[k], from, to);
    }
    store_live_in(in, live, b);
}

/* Would the result do well in the register of the first source?  It must be there (tied), or that
 * saves a move; or it is computed from it alone, as a moved pointer is: the source often dies
 * there, and what else meets the result in a phi comes from the same source. */
static bool takes_over(const struct mdesc *d) {
    return (d->flags & (MD_TIED | MD_MOVE)) ||
           (!(d->flags & (MD_MEM | MD_PHI)) && d->role[0] == ROLE_DEF && d->role[1] == ROLE_USE &&
            d->role[2] == ROLE_NONE);
}

/* Is v in a fixed register because of where it was made, as what a stub returns?  Then what it
 * meets in a phi has the better claim: ways through stubs are seldom taken. */
static bool comes_fixed(const struct ra *ra, uint32_t v) {
    uint32_t from = ra->hint[v];
    return ra->hint_reg[v] >= 0 || (from != RA_NONE && ra->hint_reg[from] >= 0);
}

/* Forward: where each value is defined and which registers would save a copy. */
static void collect_hints(struct ra *ra) {
    const struct mach *m = ra->m;
    for (uint32_t i = 0; i < m->ninsn; i++) {
        const struct minsn *in = &ra->insn[i];
        const struct mdesc *d = mach_desc(m, in);
        for (unsigned n = 0; n < 3; n++) {
            if (in->r[n] == NO_REG || d->role[n] == ROLE_NONE)
                continue;
            if (d->role[n] == ROLE_DEF || d->role[n] == ROLE_TEMP)
                ra->def[in->r[n]] = i;
            if (d->fixed[n] >= 0)
                ra->hint_reg[in->r[n]] = d->fixed[n];
        }
        if (takes_over(d) && ra->hint[in->r[0]] == RA_NONE)
            ra->hint[in->r[0]] = in->r[1];
        if (d->flags & MD_PHI) { /* what has a hint already belongs to a loop around this one */
            if (ra->hint[in->r[0]] == RA_NONE)
                ra->hint[in->r[0]] = in->r[comes_fixed(ra, in->r[1]) ? 2 : 1];
            for (unsigned n = 1; n < 3; n++)
                if (in->r[n] != NO_REG && ra->hint[in->r[n]] == RA_NONE)
                    ra->hint[in->r[n]] = in->r[0];
        }
    }
}

/* Backward: a phi that goes to a loop's head, by way of other phis even, wants the register there,
 * rather than that of what it comes from: the ways of a loop end in a row of joins. */
static void prefer_heads(struct ra *ra) {
    for (uint32_t i = ra->m->ninsn; i-- > 0;) {
        const struct minsn *in = &ra->insn[i];
        if (!is_phi(ra, i))
            continue;
        uint32_t to = ra->hint[in->r[0]];
        if (to == RA_NONE || !is_phi(ra, ra->def[to]) || to == in->r[1] || to == in->r[2])
            continue;
        for (unsigned n = 1; n < 3; n++)
            if (in->r[n] != NO_REG && is_phi(ra, ra->def[in->r[n]]) && ra->def[in->r[n]] < i)
                ra->hint[in->r[n]] = in->r[0];
    }
}

static void reverse_fixed(struct ra *ra) {
    for (unsigned r = 0; r < MACH_MAX_PHYS; r++) {
        struct ra_fixed_list *l = &ra->fixed[r];
        for (uint32_t i = 0, j = l->n; i + 1 < j; i++) {
            struct ra_fixed t = l->p[i];
            l->p[i] = l->p[--j];
            l->p[j] = t;
        }
    }
}

static void finish_intervals(struct ra *ra) {
    for (uint32_t v = 0; v < ra->niv; v++) {
        struct interval *iv = &ra->iv[v];
        iv->vreg = v;
        iv->reg = RA_UNSET;
        iv->cur = iv->range;
        iv->cur_use = iv->use;
        if (!iv->range)
            continue;
        iv->start = ra->range[iv->range].from;
        uint32_t r = iv->range;
        while (ra->range[r].next)
            r = ra->range[r].next;
        iv->end = ra->range[r].to;
    }
}

void ra_build_intervals(struct ra *ra) {
    const struct mach *m = ra->m;
    uint32_t n = m->nvreg;
    ra->insn = m->insn;
    if (!ra->opt.consume) {
        ra->insn = xalloc((size_t)m->ninsn + 1, sizeof *ra->insn);
        memcpy(ra->insn, m->insn, m->ninsn * sizeof *ra->insn);
    }
    ra->niv = ra->iv_cap = n;
    ra->iv = xcalloc((size_t)n + 1, sizeof *ra->iv);
    ra->nrange = ra->nuse = 1; /* index 0 means none */
    ra->hint = xalloc((size_t)n + 1, sizeof *ra->hint);
    memset(ra->hint, 0xff, n * sizeof *ra->hint);
    ra->hint_reg = xalloc((size_t)n + 1, 1);
    memset(ra->hint_reg, 0xff, n);
    ra->def = xcalloc((size_t)n + 1, sizeof *ra->def);
    ra->slot = xalloc((size_t)n + 1, sizeof *ra->slot);
    memset(ra->slot, 0xff, n * sizeof *ra->slot);
    struct live_set live = {xalloc((size_t)n + 1, 4), xcalloc((size_t)n + 1, 4), 0};
    struct live_in in = {.start = xcalloc((size_t)m->nblock + 1, 4),
                         .count = xcalloc((size_t)m->nblock + 1, 4)};
    /* Most registers have one range, and about two uses. */
    ra->range = xgrow(ra->range, &ra->range_cap, (uint64_t)n + n / 4 + 1, sizeof *ra->range);
    ra->use = xgrow(ra->use, &ra->use_cap, (uint64_t)m->ninsn + m->ninsn / 2 + 1, sizeof *ra->use);
    collect_hints(ra);
    prefer_heads(ra);
    for (uint32_t b = m->nblock; b-- > 0;)
        build_block(ra, &in, &live, b);
    if (live.n != 0)
        bug("register allocation: v%u is used where it is not defined", live.dense[0]);
    reverse_fixed(ra);
    finish_intervals(ra);
    xfree(live.dense);
    xfree(live.place);
    xfree(in.start);
    xfree(in.count);
    xfree(in.pool);
}
