/* hauls.c: finds loops that take cells along; see hauls.h. */
#include "passes/hauls.h"

/* ---- which loops ---- */

static uint32_t loop_of(const struct hauls *c, block b) {
    return cfg_loop_of(&c->cfg.loops, b);
}

static bool is_main(const struct hauls *c, block b) {
    return cfg_dominates(&c->cfg.dom, b, c->latch);
}

static bool list_body(struct hauls *c, uint32_t n) {
    c->head = c->cfg.loops.loop[n].head;
    c->nbody = cfg_loop_blocks(&c->cfg, n, c->body, HAUL_BLOCKS);
    return c->nbody > 0 && c->cfg.loops.loop[n].innermost;
}

/* One latch, at which alone the loop is left. */
static bool find_latch(struct hauls *c, uint32_t n) {
    const struct block_data *h = ir_block(c->f, c->head);
    if (h->npred != 2)
        return false;
    bool first = loop_of(c, h->pred[0]) == n;
    c->latch = h->pred[first ? 0 : 1];
    c->entry_slot = first ? 1 : 0;
    if (loop_of(c, c->latch) != n || loop_of(c, h->pred[c->entry_slot]) == n)
        return false;
    for (unsigned i = 0; i < c->nbody; i++) {
        const struct block_data *d = ir_block(c->f, c->body[i]);
        for (unsigned k = 0; k < d->nsucc; k++) {
            if (loop_of(c, d->succ[k]) == n)
                continue;
            if (!same_block(c->body[i], c->latch))
                return false;
            c->exit_n = k;
        }
    }
    return ir_block(c->f, c->latch)->nsucc == 2;
}

/* The pointer that moves by a step each iteration. */
static bool find_pointer(struct hauls *c) {
    IR_FOR_INSNS (c->f, c->head, v) {
        const struct insn *in = ir_at(c->f, v);
        if (in->op != OP_PHI)
            break;
        if (in->kind != KIND_PTR)
            continue;
        if (c->pointer.i)
            return false;
        c->pointer = v;
        c->next = c->entry_slot == 0 ? in->b : in->a;
        struct cell at = cells_address(&c->cells, c->next, 0);
        if (!same_value(at.root, v) || at.off == 0)
            return false;
        c->step = at.off;
    }
    return c->pointer.i != 0;
}

static bool list_accesses(struct hauls *c) {
    c->naccess = 0;
    for (unsigned i = 0; i < c->nbody; i++) {
        bool main = is_main(c, c->body[i]);
        IR_FOR_INSNS (c->f, c->body[i], v) {
            const struct insn *in = ir_at(c->f, v);
            if (in->op != OP_LOAD && in->op != OP_STORE) {
                if (ir_has(c->f, v, EFF_READ | EFF_WRITE | EFF_IO | EFF_TRAP))
                    return false;
                continue;
            }
            struct cell at = cells_address(&c->cells, in->a, in->imm);
            if (!same_value(at.root, c->pointer) || c->naccess == HAUL_ACCESSES)
                return false;
            c->access[c->naccess++] = (struct haul_access){v, at.off, in->op == OP_STORE, main};
        }
    }
    return true;
}

/* ---- which cells ---- */

bool hauls_same_lane(const struct hauls *c, int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b) % c->step == 0;
}

/* The access that loads the value, or naccess. */
static unsigned load_of(const struct hauls *c, value v) {
    unsigned i = 0;
    while (i < c->naccess && !same_value(c->access[i].v, v))
        i++;
    return i;
}

/* Is the store at `haul` one of old + added, old being loaded there and the cell a step before
 * cleared in the same block? */
static bool is_haul(struct hauls *c, unsigned haul, struct haul *k) {
    struct func *f = c->f;
    const struct haul_access *a = &c->access[haul];
    if (!a->store)
        return false;
    *k = (struct haul){.off = cells_add(a->off, -c->step), .haul = haul};
    k->sum = ir_at(f, a->v)->b;
    if (!ir_is(f, k->sum, OP_ADD))
        return false;
    const struct insn *sum = ir_at(f, k->sum);
    for (unsigned n = 0; n < 2; n++) {
        k->old = n == 0 ? sum->a : sum->b;
        k->added = n == 0 ? sum->b : sum->a;
        unsigned l = load_of(c, k->old);
        if (l < haul && c->access[l].off == a->off &&
            same_block(ir_home(f, k->old), ir_home(f, a->v)))
            break;
        k->old = NO_VALUE;
    }
    if (!k->old.i)
        return false;
    block b = ir_home(f, a->v);
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct haul_access *z = &c->access[i];
        if (!z->store || z->off != k->off || !same_block(ir_home(f, z->v), b) ||
            !ir_is_num(f, ir_at(f, z->v)->b, 0))
            continue;
        k->cleared = i;
        return true;
    }
    return false;
}

/* The condition of the detour b, whose ends meet again without a phi; NO_VALUE if it is none. */
static value detour_of(struct hauls *c, block b) {
    struct func *f = c->f;
    const struct block_data *d = ir_block(f, b);
    if (d->npred != 1 || d->nsucc != 1)
        return NO_VALUE;
    block join = d->succ[0];
    const struct block_data *top = ir_block(f, d->pred[0]);
    /* So b is where `top` goes if its condition holds, and `top` is a main block, too. */
    if (!is_main(c, join) || !same_block(top->succ[1], join) ||
        ir_is(f, ir_block(f, join)->first, OP_PHI))
        return NO_VALUE;
    return ir_at(f, top->last)->a;
}

/* Follows all accesses to the lane of k.  In the order of execution: at k->off a load first, loads
 * and stores, all in main blocks; the haul; loads a step further, in main blocks. */
static bool lane_fits(struct hauls *c, struct haul *k) {
    struct func *f = c->f;
    value content = NO_VALUE; /* of the cell at k->off */
    bool hauled = false;
    unsigned old = load_of(c, k->old);
    k->first = c->naccess;
    for (unsigned i = 0; i < c->naccess; i++) {
        const struct haul_access *a = &c->access[i];
        if (!hauls_same_lane(c, a->off, k->off))
            continue;
        if (i == k->haul)
            hauled = true;
        if (i == k->haul || i == k->cleared || i == old)
            continue;
        bool here = a->off == k->off, there = a->off == cells_add(k->off, c->step);
        if (!a->main || (here ? hauled || i > k->cleared : !there || a->store || !hauled))
            return false;
        if (!here)
            continue;
        if (!content.i) {
            if (a->store)
                return false;
            k->first = i;
            content = a->v;
        } else if (a->store) {
            content = ir_at(f, a->v)->b;
        } else {
            /* The same again: what tests it tests the content. */
            if (same_value(k->cond, a->v))
                k->cond = content;
            if (same_value(k->added, a->v))
                k->added = content;
        }
    }
    /* A detour not taken must leave 0, too. */
    return content.i != 0 &&
           (!k->cond.i || (same_value(k->cond, content) && same_value(k->added, content)));
}

static void find_cells(struct hauls *c) {
    c->ncell = 0;
    for (unsigned i = 0; i < c->naccess && c->ncell < HAUL_CELLS; i++) {
        struct haul k;
        if (!is_haul(c, i, &k))
            continue;
        block b = ir_home(c->f, c->access[i].v);
        if (!is_main(c, b)) {
            k.cond = detour_of(c, b);
            if (!k.cond.i)
                continue;
        }
        if (lane_fits(c, &k))
            c->cell[c->ncell++] = k;
    }
}

/* ---- all of it ---- */

void hauls_init(struct hauls *h, struct func *f) {
    h->f = f;
    h->cfg = cfg_make(f);
    cells_init(&h->cells, f);
}

void hauls_free(struct hauls *h) {
    cells_free(&h->cells);
    cfg_free(&h->cfg);
}

bool hauls_find(struct hauls *h, uint32_t n) {
    h->pointer = NO_VALUE;
    if (!list_body(h, n) || !find_latch(h, n) || !find_pointer(h) || !list_accesses(h))
        return false;
    find_cells(h);
    return true;
}
