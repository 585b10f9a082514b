/* ra_rewrite.c: the allocated code: operands become registers, phis become moves on edges, and
 * where a value changes its home a move is inserted.
 *
 * All insertions are first collected as parallel moves, grouped by place, then sorted, ordered
 * within their group by pmove_resolve, and merged with the instructions in one pass. */
#include <assert.h>
#include <stdlib.h>

#include "backend/ra_int.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

/* The order of what is inserted at one position. */
enum phase {
    PHASE_EDGE_IN,  /* moves of the only edge into a block */
    PHASE_RESULT,   /* from the fixed register of a result to its home */
    PHASE_STORE,    /* the one store of a value that is in memory somewhere */
    PHASE_SPLIT,    /* from one part of a split interval to the next */
    PHASE_OPERAND,  /* to the fixed or tied register of an operand */
    PHASE_EDGE_OUT, /* moves of the only edge out of a block */
};

/* Location of a move: a register, MACH_MAX_PHYS + slot, or the constant of a vreg. */
#define LOC_SLOT(n)  (MACH_MAX_PHYS + (n))
#define LOC_REMAT(v) (0x80000000u | (v))
#define IS_SLOT(l)   ((l) >= MACH_MAX_PHYS && (l) < 0x80000000u)
#define IS_REMAT(l)  ((l) >= 0x80000000u)

struct planned {
    uint64_t where; /* position * 8 + phase, or block * 2 + successor for edge blocks */
    uint32_t from, to;
};

struct plan {
    struct planned *p;
    uint32_t n, cap;
};

/* A block made for a critical edge: old blocks from and to, the edge being from's succ[n]. */
struct edge_block {
    uint32_t block, from, to;
    unsigned n;
};

struct rewrite {
    struct ra *ra;
    struct mach *out;
    struct plan inside, edges;
    uint32_t next_inside, next_edge;
    uint32_t *index; /* old block -> new block */
    struct edge_block *made;
    uint32_t nmade, made_cap;
    uint32_t scratch_slot; /* first of two slots for moves between slots, RA_NONE: none yet */
    struct pmove *group;
    struct pmove_step *steps;
    uint32_t group_cap, steps_cap;
};

static void plan(struct plan *l, uint64_t where, uint32_t from, uint32_t to) {
    if (from == to)
        return;
    l->p = xgrow(l->p, &l->cap, (uint64_t)l->n + 1, sizeof *l->p);
    l->p[l->n++] = (struct planned){where, from, to};
}

static void plan_at(struct rewrite *w, uint32_t pos, enum phase phase, uint32_t from, uint32_t to) {
    plan(&w->inside, (uint64_t)pos * 8 + phase, from, to);
}

/* ---- where a value is ---- */

static void collect_parts(struct ra *ra) {
    ra->parts = xalloc((size_t)ra->nsplit + 1, sizeof *ra->parts);
    ra->part_pool = xalloc((size_t)ra->niv - ra->m->nvreg + ra->nsplit + 1, sizeof(uint32_t));
    uint32_t n = 0;
    for (uint32_t k = 0; k < ra->nsplit; k++) {
        uint32_t v = ra->split[k];
        ra->parts[k].first = n;
        for (uint32_t i = v;; i = ra->iv[i].child) {
            ra->part_pool[n++] = i;
            if (!ra->iv[i].child)
                break;
        }
        ra->parts[k].n = n - ra->parts[k].first;
        ra->iv[v].link = k;
    }
}

/* The part of v that covers pos: the last one that starts at or before it. */
static const struct interval *part_at(const struct ra *ra, uint32_t v, uint32_t pos) {
    if (!ra->iv[v].child)
        return &ra->iv[v];
    const struct ra_parts *p = &ra->parts[ra->iv[v].link];
    uint32_t lo = 0, hi = p->n;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (ra->iv[ra->part_pool[p->first + mid]].start <= pos)
            lo = mid;
        else
            hi = mid;
    }
    return &ra->iv[ra->part_pool[p->first + lo]];
}

static uint32_t home(const struct ra *ra, const struct interval *iv) {
    if (iv->reg < MACH_MAX_PHYS)
        return iv->reg;
    assert(iv->reg == RA_MEMORY);
    return ra->slot[iv->vreg] != RA_NONE ? LOC_SLOT(ra->slot[iv->vreg]) : LOC_REMAT(iv->vreg);
}

static uint32_t home_at(const struct ra *ra, uint32_t v, uint32_t pos) {
    return home(ra, part_at(ra, v, pos));
}

static bool in_memory(uint32_t loc) {
    return loc >= MACH_MAX_PHYS;
}

/* ---- planning ---- */

static void plan_edge(struct rewrite *w, uint32_t p, unsigned n, uint32_t from, uint32_t to) {
    const struct mach *m = w->ra->m;
    uint32_t s = m->block[p].succ[n];
    if (m->block[p].nsucc == 1)
        plan_at(w, ra_to(w->ra, p) - 2, PHASE_EDGE_OUT, from, to);
    else if (m->block[s].npred == 1)
        plan_at(w, ra_from(w->ra, s), PHASE_EDGE_IN, from, to);
    else
        plan(&w->edges, (uint64_t)p * 2 + n, from, to);
}

static unsigned succ_slot(const struct mach *m, uint32_t p, uint32_t s) {
    return m->block[p].nsucc > 1 && m->block[p].succ[1] == s ? 1 : 0;
}

/* v is live into block b: on each edge its home may change. */
static void plan_block_entry(struct rewrite *w, uint32_t v, uint32_t b) {
    const struct ra *ra = w->ra;
    const struct mblock *mb = &ra->m->block[b];
    uint32_t to = home_at(ra, v, ra_from(ra, b));
    if (in_memory(to))
        return; /* it was stored at its definition */
    for (unsigned n = 0; n < mb->npred; n++) {
        uint32_t p = mb->pred[n];
        plan_edge(w, p, succ_slot(ra->m, p, b), home_at(ra, v, ra_to(ra, p) - 1), to);
    }
}

/* Moves between the parts of a split register: within blocks, and on the edges it is live over. */
static void plan_split(struct rewrite *w, uint32_t v) {
    const struct ra *ra = w->ra;
    bool defined_by_phi = (mach_desc(ra->m, &ra->insn[ra->def[v]])->flags & MD_PHI) != 0;
    for (uint32_t i = v;; i = ra->iv[i].child) {
        const struct interval *iv = &ra->iv[i];
        const struct interval *next = iv->child ? &ra->iv[iv->child] : NULL;
        if (next && next->start == iv->end && !in_memory(home(ra, next)) &&
            !ra_at_block_start(ra, next->start))
            plan_at(w, next->start, PHASE_SPLIT, home(ra, iv), home(ra, next));
        for (uint32_t r = iv->range; r; r = ra->range[r].next) {
            uint32_t b = ra_block_at(ra, ra->range[r].from);
            if (ra_from(ra, b) < ra->range[r].from)
                b++;
            for (; b < ra->m->nblock && ra_from(ra, b) < ra->range[r].to; b++)
                if (!(defined_by_phi && ra_from(ra, b) == ra->iv[v].start))
                    plan_block_entry(w, v, b);
        }
        if (!iv->child)
            break;
    }
}

/* The store of a value that has a slot, where it first is in a register. */
static void plan_store(struct rewrite *w, uint32_t v) {
    const struct ra *ra = w->ra;
    uint32_t first = home(ra, &ra->iv[v]);
    if (ra->slot[v] == RA_NONE || in_memory(first))
        return;
    uint32_t start = ra->iv[v].start;
    plan_at(w, start + (start & 1), PHASE_STORE, first, LOC_SLOT(ra->slot[v]));
}

static void plan_phi(struct rewrite *w, uint32_t b, const struct minsn *phi) {
    const struct ra *ra = w->ra;
    const struct mblock *mb = &ra->m->block[b];
    if (!ra->iv[phi->r[0]].range)
        return;
    uint32_t to = home_at(ra, phi->r[0], ra_from(ra, b));
    for (unsigned n = 0; n < mb->npred; n++) {
        uint32_t p = mb->pred[n];
        plan_edge(w, p, succ_slot(ra->m, p, b), home_at(ra, phi->r[1 + n], ra_to(ra, p) - 1), to);
    }
}

/* Registers of an instruction's operands, with the moves that bring values there. */
static void operand_registers(struct rewrite *w, uint32_t i, struct minsn *in) {
    const struct ra *ra = w->ra;
    const struct mdesc *d = mach_desc(ra->m, in);
    mreg old[3] = {in->r[0], in->r[1], in->r[2]};
    for (unsigned n = 0; n < 3; n++) {
        enum role role = ra_role(d, n);
        if (role == ROLE_NONE || old[n] == NO_REG)
            continue;
        bool tied = n == 1 && (d->flags & MD_TIED);
        uint32_t pos = 2 * i + (role == ROLE_DEF);
        uint32_t at = home_at(ra, old[n], pos);
        uint32_t want = d->fixed[n] >= 0 ? (uint32_t)d->fixed[n] : tied ? in->r[0] : at;
        if (in_memory(want))
            bug("register allocation: v%u is in memory at instruction %u", old[n], i);
        if (role == ROLE_DEF && !IS_REMAT(at))
            plan_at(w, 2 * i + 2, PHASE_RESULT, want, at);
        else if (role != ROLE_DEF && role != ROLE_TEMP)
            plan_at(w, 2 * i, PHASE_OPERAND, at, want);
        in->r[n] = want;
    }
}

static int planned_order(const void *a, const void *b) {
    uint64_t x = ((const struct planned *)a)->where, y = ((const struct planned *)b)->where;
    return x < y ? -1 : x > y;
}

static void make_plans(struct rewrite *w) {
    struct ra *ra = w->ra;
    const struct mach *m = ra->m;
    collect_parts(ra);
    for (uint32_t k = 0; k < ra->nsplit; k++)
        plan_split(w, ra->split[k]);
    for (uint32_t v = 0; v < m->nvreg; v++)
        if (ra->iv[v].range)
            plan_store(w, v);
    for (uint32_t b = 0; b < m->nblock; b++) {
        for (uint32_t i = m->block[b].first; i < m->block[b].end; i++) {
            if (mach_desc(m, &ra->insn[i])->flags & MD_PHI)
                plan_phi(w, b, &ra->insn[i]);
            else
                operand_registers(w, i, &ra->insn[i]);
        }
    }
    if (w->inside.n)
        qsort(w->inside.p, w->inside.n, sizeof *w->inside.p, planned_order);
    if (w->edges.n)
        qsort(w->edges.p, w->edges.n, sizeof *w->edges.p, planned_order);
}

/* ---- emitting moves ---- */

static void emit(struct rewrite *w, uint16_t op, mreg to, mreg from, int32_t slot) {
    const struct mdesc *d = &w->ra->t->desc[op];
    struct minsn in = {
        .op = op, .size = 8, .disp = slot, .src = UINT32_MAX, .r = {NO_REG, NO_REG, NO_REG}};
    if (d->role[0] != ROLE_NONE)
        in.r[0] = to;
    if (d->role[1] != ROLE_NONE)
        in.r[1] = from;
    mach_push(w->out, in);
    w->ra->stats.moves++;
}

static uint32_t scratch_slot(struct rewrite *w, uint32_t n) {
    if (w->scratch_slot == RA_NONE) {
        w->scratch_slot = w->ra->nslots;
        w->ra->nslots += 2;
    }
    return w->scratch_slot + n;
}

static void emit_constant(struct rewrite *w, uint32_t v, mreg to) {
    struct minsn in = w->ra->insn[w->ra->def[v]];
    in.r[0] = to;
    in.orig = w->ra->def[v] + 1;
    in.again = 1;
    mach_push(w->out, in);
}

static void emit_load(struct rewrite *w, mreg to, uint32_t from) {
    if (IS_REMAT(from)) {
        emit_constant(w, from & 0x7fffffffu, to);
        return;
    }
    emit(w, w->ra->t->op_reload, to, NO_REG, (int32_t)(from - MACH_MAX_PHYS));
    w->ra->stats.reloads++;
}

static void emit_store(struct rewrite *w, uint32_t to, mreg from) {
    emit(w, w->ra->t->op_spill, NO_REG, from, (int32_t)(to - MACH_MAX_PHYS));
}

/* Memory to memory goes through a borrowed register; rare. */
static void copy_slot(struct rewrite *w, uint32_t to, uint32_t from) {
    mreg x = w->ra->usable[0];
    uint32_t save = LOC_SLOT(scratch_slot(w, 0));
    emit_store(w, save, x);
    emit_load(w, x, from);
    emit_store(w, to, x);
    emit_load(w, x, save);
}

static void emit_copy(struct rewrite *w, uint32_t to, uint32_t from) {
    if (in_memory(to) && in_memory(from))
        copy_slot(w, to, from);
    else if (in_memory(to))
        emit_store(w, to, from);
    else if (in_memory(from))
        emit_load(w, to, from);
    else
        emit(w, w->ra->t->op_move, to, from, 0);
}

static void emit_swap(struct rewrite *w, uint32_t a, uint32_t b) {
    if (!in_memory(a) && !in_memory(b)) {
        const struct mdesc *d = &w->ra->t->desc[w->ra->t->op_swap];
        struct minsn in = {
            .op = w->ra->t->op_swap, .size = 8, .src = UINT32_MAX, .r = {a, b, NO_REG}};
        assert(d->role[2] == ROLE_NONE);
        (void)d;
        mach_push(w->out, in);
        w->ra->stats.moves++;
        return;
    }
    uint32_t save = LOC_SLOT(scratch_slot(w, 1));
    emit_copy(w, save, a);
    emit_copy(w, a, b);
    emit_copy(w, b, save);
}

/* Emits the group of parallel moves l->p[from, to). */
static void emit_group(struct rewrite *w, const struct plan *l, uint32_t from, uint32_t to) {
    uint32_t n = 0;
    w->group = xgrow(w->group, &w->group_cap, to - from, sizeof *w->group);
    w->steps = xgrow(w->steps, &w->steps_cap, 2 * (uint64_t)(to - from), sizeof *w->steps);
    for (uint32_t i = from; i < to; i++)
        if (!IS_REMAT(l->p[i].from))
            w->group[n++] = (struct pmove){l->p[i].from, l->p[i].to};
    unsigned steps = pmove_resolve(w->group, n, w->steps);
    for (unsigned i = 0; i < steps; i++) {
        if (w->steps[i].kind == PMOVE_COPY)
            emit_copy(w, w->steps[i].to, w->steps[i].from);
        else
            emit_swap(w, w->steps[i].to, w->steps[i].from);
    }
    for (uint32_t i = from; i < to; i++)
        if (IS_REMAT(l->p[i].from))
            emit_copy(w, l->p[i].to, l->p[i].from);
}

static uint32_t group_end(const struct plan *l, uint32_t from) {
    uint32_t to = from;
    while (to < l->n && l->p[to].where == l->p[from].where)
        to++;
    return to;
}

static void emit_inserted(struct rewrite *w, uint32_t pos) {
    while (w->next_inside < w->inside.n && w->inside.p[w->next_inside].where / 8 <= pos) {
        uint32_t to = group_end(&w->inside, w->next_inside);
        emit_group(w, &w->inside, w->next_inside, to);
        w->next_inside = to;
    }
}

/* ---- the new function ---- */

static uint32_t new_block(struct rewrite *w, const struct mblock *like, uint32_t ir_block) {
    struct mach *out = w->out;
    out->block = xgrow(out->block, &out->block_cap, (uint64_t)out->nblock + 1, sizeof *out->block);
    struct mblock b = *like;
    b.first = out->ninsn;
    b.ir_block = ir_block;
    b.loop_end = 0;
    out->block[out->nblock] = b;
    return out->nblock++;
}

static bool is_empty_move(const struct ra *ra, const struct minsn *in) {
    return (mach_desc(ra->m, in)->flags & MD_MOVE) && in->r[0] == in->r[1];
}

static void emit_block(struct rewrite *w, uint32_t b) {
    struct ra *ra = w->ra;
    const struct mblock *mb = &ra->m->block[b];
    w->index[b] = new_block(w, mb, mb->ir_block);
    for (uint32_t i = mb->first; i < mb->end; i++) {
        emit_inserted(w, 2 * i);
        if ((mach_desc(ra->m, &ra->insn[i])->flags & MD_PHI) || is_empty_move(ra, &ra->insn[i]))
            continue;
        ra->insn[i].orig = i + 1;
        mach_push(w->out, ra->insn[i]);
    }
    w->out->block[w->index[b]].end = w->out->ninsn;
}

/* The blocks of the critical edges out of old block b, right behind it. */
static void emit_edge_blocks(struct rewrite *w, uint32_t b) {
    while (w->next_edge < w->edges.n && w->edges.p[w->next_edge].where / 2 == b) {
        const struct mblock *mb = &w->ra->m->block[b];
        unsigned n = w->edges.p[w->next_edge].where & 1;
        uint32_t to = group_end(&w->edges, w->next_edge), s = mb->succ[n];
        struct mblock like = {.nsucc = 1, .npred = 1};
        like.depth = mb->depth < w->ra->m->block[s].depth ? mb->depth : w->ra->m->block[s].depth;
        uint32_t e = new_block(w, &like, 0);
        emit_group(w, &w->edges, w->next_edge, to);
        emit(w, w->ra->t->op_jump, NO_REG, NO_REG, 0);
        w->out->block[e].end = w->out->ninsn;
        w->made = xgrow(w->made, &w->made_cap, (uint64_t)w->nmade + 1, sizeof *w->made);
        w->made[w->nmade++] = (struct edge_block){e, b, s, n};
        w->next_edge = to;
        w->ra->stats.edge_blocks++;
    }
}

/* Old block numbers become new ones; edge blocks are put into their edges. */
static void link_blocks(struct rewrite *w) {
    struct mach *out = w->out;
    for (uint32_t b = 0; b < w->ra->m->nblock; b++) {
        struct mblock *nb = &out->block[w->index[b]];
        for (unsigned n = 0; n < nb->nsucc; n++)
            nb->succ[n] = w->index[nb->succ[n]];
        for (unsigned n = 0; n < nb->npred; n++)
            nb->pred[n] = w->index[nb->pred[n]];
    }
    for (uint32_t k = 0; k < w->nmade; k++) {
        const struct edge_block *made = &w->made[k];
        uint32_t p = w->index[made->from], s = w->index[made->to];
        struct mblock *sb = &out->block[s];
        sb->pred[sb->npred > 1 && sb->pred[1] == p ? 1 : 0] = made->block;
        out->block[p].succ[made->n] = made->block;
        out->block[made->block].pred[0] = p;
        out->block[made->block].succ[0] = s;
    }
}

struct mach *ra_rewrite(struct ra *ra) {
    struct rewrite w = {.ra = ra, .out = mach_new(ra->t), .scratch_slot = RA_NONE};
    w.index = xalloc((size_t)ra->m->nblock + 1, sizeof *w.index);
    make_plans(&w);
    /* Moves come in, and empty moves and phis go. */
    mach_reserve(w.out, ra->m->ninsn + (uint32_t)(w.inside.n + w.edges.n) / 2);
    for (uint32_t b = 0; b < ra->m->nblock; b++) {
        emit_block(&w, b);
        emit_edge_blocks(&w, b);
    }
    link_blocks(&w);
    w.out->nvreg = 0;
    w.out->nslots = ra->nslots;
    w.out->allocated = true;
    w.out->cell_bits = ra->m->cell_bits;
    w.out->ir = ra->m->ir;
    xfree(w.inside.p);
    xfree(w.edges.p);
    xfree(w.index);
    xfree(w.made);
    xfree(w.group);
    xfree(w.steps);
    return w.out;
}
