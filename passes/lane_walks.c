/* lane_walks.c: finds walks along a lane; see lane_walks.h. */
#include "passes/lane_walks.h"

#include "runtime/alloc.h"

#define WALK_BLOCKS 12

struct finder {
    struct func *f;
    const struct loops *loops;
    const struct rpo *r;
    struct cells *c;
    const struct lanes *l;
};

static bool is_in(const struct finder *s, uint32_t loop, block b) {
    return cfg_in_loop(s->loops, loop, b);
}

/* The only way out is from the latch, and the only back edge, too. */
static bool find_ends(const struct finder *s, uint32_t loop, struct lane_walk *w) {
    const struct block_data *h = ir_block(s->f, w->head);
    if (h->npred != 2)
        return false;
    unsigned back = is_in(s, loop, h->pred[0]) ? 0 : 1;
    w->latch = h->pred[back];
    w->pre = h->pred[1 - back];
    const struct block_data *t = ir_block(s->f, w->latch);
    if (!is_in(s, loop, w->latch) || is_in(s, loop, w->pre) || t->nsucc != 2 ||
        !same_block(t->succ[0], w->head))
        return false;
    w->exit = t->succ[1];
    return !is_in(s, loop, w->exit);
}

/* Is v, the last word of block b, a load that no store follows?  Then its cell. */
static bool find_test(const struct finder *s, block b, struct cell *cell, uint32_t *src) {
    value test = ir_resolve(s->f, ir_at(s->f, ir_terminator(s->f, b))->a);
    if (!ir_is(s->f, test, OP_LOAD) || !same_block(ir_home(s->f, test), b))
        return false;
    for (value v = ir_next(s->f, test); v.i; v = ir_next(s->f, v))
        if (ir_has(s->f, v, EFF_WRITE))
            return false;
    const struct insn *in = ir_at(s->f, test);
    *cell = cells_address(s->c, in->a, in->imm);
    *src = in->src;
    return true;
}

/* The pointer phi the tested cell belongs to. */
static bool find_pointer(const struct finder *s, struct lane_walk *w) {
    struct cell cell;
    if (!find_test(s, w->latch, &cell, &w->src) || !ir_is(s->f, cell.root, OP_PHI) ||
        !same_block(ir_home(s->f, cell.root), w->head))
        return false;
    unsigned back = ir_pred_slot(s->f, w->latch, w->head);
    struct cell next = cells_address(s->c, *ir_phi_operand(s->f, cell.root, back), 0);
    const int64_t far = 1 << 20;
    if (!same_value(next.root, cell.root) || next.off == 0 || next.off > far || next.off < -far)
        return false;
    w->x = cell.root;
    w->start = ir_resolve(s->f, *ir_phi_operand(s->f, cell.root, 1 - back));
    w->step = next.off;
    w->test = cells_add(cell.off, -next.off);
    return true;
}

static void find_guard(const struct finder *s, struct lane_walk *w) {
    struct cell cell, want = cells_address(s->c, w->start, w->test);
    uint32_t src;
    const struct block_data *p = ir_block(s->f, w->pre);
    w->guarded = p->nsucc == 2 && same_block(p->succ[0], w->head) &&
                 same_block(p->succ[1], w->exit) && find_test(s, w->pre, &cell, &src) &&
                 same_value(cell.root, want.root) && cell.off == want.off;
}

/* May the walk go on over this? */
static bool is_harmless(const struct finder *s, const struct lane_walk *w, value v) {
    const struct insn *in = ir_at(s->f, v);
    if (!(op_info[in->op].effects & EFF_WRITE))
        return true;
    if (in->op != OP_STORE)
        return false;
    if (lanes_apart(s->l, w->x, w->test, w->step, in->a, in->imm))
        return true;
    struct cell c = cells_address(s->c, in->a, in->imm);
    value stored = ir_resolve(s->f, in->b);
    return same_value(c.root, w->x) && c.off == w->test && ir_is_const(s->f, stored) &&
           !ir_is_num(s->f, stored, 0);
}

static bool keeps_lane(const struct finder *s, uint32_t loop, const struct lane_walk *w) {
    const struct loop *l = &s->loops->loop[loop];
    uint32_t at = s->r->pos[l->head.i], seen = 0;
    for (uint32_t n = 0; n < 2 * WALK_BLOCKS && at + n < s->r->n && seen < l->nblock; n++) {
        block b = s->r->order[at + n];
        if (!is_in(s, loop, b))
            continue;
        seen++;
        IR_FOR_INSNS (s->f, b, v)
            if (!is_harmless(s, w, v))
                return false;
        for (unsigned k = 0; k < ir_block(s->f, b)->nsucc; k++)
            if (!is_in(s, loop, ir_block(s->f, b)->succ[k]) && !same_block(b, w->latch))
                return false;
    }
    return seen == l->nblock;
}

struct lane_walk *lane_walks_find(struct func *f, const struct loops *loops, const struct rpo *r,
                                  struct cells *c, const struct lanes *l) {
    struct finder s = {f, loops, r, c, l};
    struct lane_walk *walk = xcalloc(loops->nloop, sizeof *walk);
    for (uint32_t n = 1; n < loops->nloop; n++) {
        struct lane_walk w = {.head = loops->loop[n].head};
        if (loops->loop[n].nblock > WALK_BLOCKS || !find_ends(&s, n, &w) || !find_pointer(&s, &w) ||
            !keeps_lane(&s, n, &w))
            continue;
        find_guard(&s, &w);
        walk[n] = w;
    }
    return walk;
}
