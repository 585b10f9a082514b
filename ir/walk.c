/* walk.c: recognizes walks; see walk.h.
 *
 * The body is evaluated symbolically: each value as a sum of multiples of what the cells held when
 * the round began, and a constant.  A store is put into words by what the cells hold at that
 * moment: the old content of its cell, plus a multiple of some cell, plus a constant.
 *
 *   %5 = add %3, %4      c0 + c2
 *   store %2 + 2, %5     c0 + c2 is [2] + [0]                       [2] += [0]
 *   store %2 + 4, %5     c0 + c2 is [2] now, and [4] is not in it   [4] = [2]
 *
 * A branch around some of it (`if x: y += x; x = 0`) does not matter where what it guards changes
 * every cell by a multiple of x: with x = 0 nothing changes.  (The cells it accesses must then be
 * on the tape all the same, which is for whoever runs the walk to see to.)
 *
 * Bounded work for each head: MAX_VALUES instructions, MAX_CELLS cells. */
#include "ir/walk.h"

#include <string.h>

#define MAX_BLOCKS 8
#define MAX_VALUES 64
#define MAX_CELLS  16
#define MAX_OFFSET (INT32_C(1) << 24) /* of cells; sums of two fit easily */

/* add + the sum of coef[i] * (what cell i held at first). */
struct form {
    uint64_t add, coef[MAX_CELLS];
    bool unknown;
};

struct known {
    value v;
    bool pointer;
    int64_t off; /* of a pointer: cells from the phi */
    struct form form;
};

struct walker {
    const struct func *f;
    struct walk *w;
    const uint32_t *uses;
    block body[MAX_BLOCKS];
    unsigned nbody;
    struct known known[MAX_VALUES];
    unsigned nknown;
    int64_t off[MAX_CELLS]; /* cells accessed, and what they hold now */
    struct form now[MAX_CELLS];
    unsigned ncell;
};

/* ---- forms ---- */

static struct form constant(uint64_t add) {
    return (struct form){.add = add};
}

/* a + k * b */
static struct form plus(const struct walker *k, const struct form *a, uint64_t by,
                        const struct form *b) {
    struct form r = {.add = ir_wrap(k->f, a->add + by * b->add),
                     .unknown = a->unknown || b->unknown};
    for (unsigned i = 0; i < MAX_CELLS; i++)
        r.coef[i] = ir_wrap(k->f, a->coef[i] + by * b->coef[i]);
    return r;
}

static bool is_constant(const struct form *a) {
    for (unsigned i = 0; i < MAX_CELLS; i++)
        if (a->coef[i] != 0)
            return false;
    return !a->unknown;
}

static bool same_form(const struct form *a, const struct form *b) {
    return !a->unknown && !b->unknown && a->add == b->add &&
           memcmp(a->coef, b->coef, sizeof a->coef) == 0;
}

/* Is a = factor * b + add?  b has a coefficient of 1 or -1 in all cases that matter. */
static bool is_multiple(const struct walker *k, const struct form *a, const struct form *b,
                        uint64_t *factor, uint64_t *add) {
    unsigned i = 0;
    while (i < MAX_CELLS && b->coef[i] == 0)
        i++;
    if (i == MAX_CELLS || a->unknown || b->unknown)
        return false;
    *factor = b->coef[i] == 1 ? a->coef[i] : ir_wrap(k->f, 0 - a->coef[i]);
    struct form rest = plus(k, a, 0 - *factor, b);
    *add = rest.add;
    return is_constant(&rest);
}

/* ---- values and cells ---- */

static struct known *find(struct walker *k, value v) {
    for (unsigned i = k->nknown; i-- > 0;)
        if (same_value(k->known[i].v, v))
            return &k->known[i];
    return NULL;
}

/* What value v is; a constant, something computed in this round, or unknown. */
static struct form form_of(struct walker *k, value v) {
    if (ir_is_const(k->f, v))
        return constant(ir_const_of(k->f, v));
    const struct known *n = find(k, v);
    return n && !n->pointer ? n->form : (struct form){.unknown = true};
}

static struct known *define(struct walker *k, value v) {
    if (k->nknown == MAX_VALUES)
        return NULL;
    struct known *n = &k->known[k->nknown++];
    *n = (struct known){.v = v};
    return n;
}

/* The offset of p + imm from the phi, noted as accessed. */
static bool address(struct walker *k, value p, int64_t imm, int64_t *off) {
    const struct known *n = find(k, p);
    if (!n || !n->pointer || imm > MAX_OFFSET || imm < -MAX_OFFSET)
        return false;
    *off = n->off + imm;
    if (*off > MAX_OFFSET || *off < -MAX_OFFSET)
        return false;
    if (*off < k->w->low)
        k->w->low = (int32_t)*off;
    if (*off > k->w->high)
        k->w->high = (int32_t)*off;
    return true;
}

/* The number of the cell p + imm, or MAX_CELLS. */
static unsigned cell_at(struct walker *k, value p, int64_t imm) {
    int64_t off;
    if (!address(k, p, imm, &off))
        return MAX_CELLS;
    for (unsigned i = 0; i < k->ncell; i++)
        if (k->off[i] == off)
            return i;
    if (k->ncell == MAX_CELLS)
        return MAX_CELLS;
    unsigned i = k->ncell++;
    k->off[i] = off;
    k->now[i] = constant(0);
    k->now[i].coef[i] = 1;
    return i;
}

static bool is_untouched(const struct walker *k, unsigned c) {
    struct form old = constant(0);
    old.coef[c] = 1;
    return same_form(&k->now[c], &old);
}

/* ---- stores ---- */

static bool put_op(struct walker *k, unsigned dst, bool keep, unsigned src, uint64_t factor,
                   uint64_t add) {
    struct walk *w = k->w;
    if (w->nop == WALK_MAX_OPS)
        return false;
    w->op[w->nop++] = (struct walk_op){.dst = (int32_t)k->off[dst],
                                       .src = (int32_t)k->off[factor ? src : dst],
                                       .keep = keep,
                                       .factor = factor,
                                       .add = add};
    return true;
}

/* [dst] = (keep: [dst]) + what, where that is a multiple of one cell. */
static bool put_simple(struct walker *k, unsigned dst, bool keep, const struct form *what,
                       bool *done) {
    *done = true;
    if (is_constant(what))
        return put_op(k, dst, keep, dst, 0, what->add);
    for (unsigned j = 0; j < k->ncell; j++) {
        uint64_t factor, add;
        if (is_multiple(k, what, &k->now[j], &factor, &add))
            return put_op(k, dst, keep, j, factor, add);
    }
    *done = false;
    return true;
}

/* A sum of several cells that still hold what they held at first: one after the other. */
static bool put_sum(struct walker *k, unsigned dst, const struct form *what) {
    uint64_t own = what->coef[dst], add = what->add;
    bool keep = own == 1;
    if (own != 0 && !is_untouched(k, dst))
        return false;
    if (own > 1) {
        if (!put_op(k, dst, false, dst, own, add))
            return false;
        keep = true;
        add = 0;
    }
    for (unsigned j = 0; j < k->ncell; j++) {
        if (j == dst || what->coef[j] == 0)
            continue;
        if (!is_untouched(k, j) || !put_op(k, dst, keep, j, what->coef[j], add))
            return false;
        keep = true;
        add = 0;
    }
    return true;
}

static bool walk_store(struct walker *k, const struct insn *in) {
    unsigned c = cell_at(k, in->a, in->imm);
    struct form what = form_of(k, in->b);
    if (c == MAX_CELLS || what.unknown)
        return false;
    struct form change = plus(k, &what, UINT64_MAX, &k->now[c]);
    bool done = is_constant(&what), ok;
    if (done)
        ok = put_op(k, c, false, c, 0, what.add);
    else
        ok = put_simple(k, c, true, &change, &done);
    if (!done)
        ok = put_simple(k, c, false, &what, &done);
    if (!done)
        ok = put_sum(k, c, &what);
    k->now[c] = what;
    return ok;
}

/* ---- instructions ---- */

static bool walk_load(struct walker *k, value v) {
    const struct insn *in = ir_at(k->f, v);
    unsigned c = cell_at(k, in->a, in->imm);
    struct known *n = c == MAX_CELLS ? NULL : define(k, v);
    if (n)
        n->form = k->now[c];
    return n;
}

static bool walk_pointer(struct walker *k, value v) {
    const struct insn *in = ir_at(k->f, v);
    const struct known *from = find(k, in->a);
    if (!from || !from->pointer || in->imm > MAX_OFFSET || in->imm < -MAX_OFFSET)
        return false;
    int64_t off = from->off + in->imm;
    struct known *n = off > MAX_OFFSET || off < -MAX_OFFSET ? NULL : define(k, v);
    if (n) {
        n->pointer = true;
        n->off = off;
    }
    return n;
}

/* Arithmetic that keeps forms forms; anything else is not known. */
static bool walk_value(struct walker *k, value v) {
    const struct insn *in = ir_at(k->f, v);
    struct form zero = constant(0), r = {.unknown = true};
    if (in->op == OP_ADD || in->op == OP_SUB) {
        struct form a = form_of(k, in->a), b = form_of(k, in->b);
        r = plus(k, &a, in->op == OP_ADD ? 1 : UINT64_MAX, &b);
    } else if (in->op == OP_MUL || in->op == OP_SHL) {
        struct form a = form_of(k, in->a), b = form_of(k, in->b);
        if (in->op == OP_MUL && is_constant(&a))
            r = plus(k, &zero, a.add, &b);
        else if (is_constant(&b))
            r = plus(k, &zero, in->op == OP_MUL ? b.add : UINT64_C(1) << b.add % k->f->cell_bits,
                     &a);
    }
    struct known *n = define(k, v);
    if (n)
        n->form = r;
    return n;
}

static bool walk_insn(struct walker *k, value v) {
    const struct insn *in = ir_at(k->f, v);
    int64_t off;
    if (in->op == OP_LOAD)
        return walk_load(k, v);
    if (in->op == OP_STORE)
        return walk_store(k, in);
    if (in->op == OP_TOUCH)
        return address(k, in->a, in->imm, &off);
    if (in->op == OP_MOVE)
        return walk_pointer(k, v);
    if (in->op == OP_PHI)
        return same_value(v, k->w->phi);
    if (in->op == OP_JMP || in->op == OP_BR)
        return true;
    return ir_has(k->f, v, EFF_PURE) && in->kind == KIND_CELL && walk_value(k, v);
}

static bool walk_block(struct walker *k, block b) {
    IR_FOR_INSNS (k->f, b, v) {
        if (!walk_insn(k, v))
            return false;
    }
    return true;
}

/* ---- blocks ---- */

static bool add_block(struct walker *k, block b) {
    if (k->nbody == MAX_BLOCKS)
        return false;
    k->body[k->nbody++] = b;
    return true;
}

/* Is c reached from b alone? */
static bool only_from(const struct walker *k, block c, block b) {
    const struct block_data *d = ir_block(k->f, c);
    return d->npred == 1 && same_block(d->pred[0], b);
}

/* The block behind b: where it jumps, or where a detour that may as well always be taken ends
 * (*side); NO_BLOCK if there is none. */
static block block_behind(const struct walker *k, block b, block *side) {
    const struct block_data *d = ir_block(k->f, b);
    *side = NO_BLOCK;
    if (d->nsucc == 1)
        return only_from(k, d->succ[0], b) ? d->succ[0] : NO_BLOCK;
    if (d->nsucc != 2)
        return NO_BLOCK;
    const struct block_data *s = ir_block(k->f, d->succ[0]);
    if (!only_from(k, d->succ[0], b) || s->nsucc != 1 || !same_block(s->succ[0], d->succ[1]) ||
        ir_is(k->f, ir_block(k->f, d->succ[1])->first, OP_PHI))
        return NO_BLOCK;
    *side = d->succ[0];
    return d->succ[1];
}

/* Evaluates the detour, and sees to it that it changes nothing where its condition is 0. */
static bool walk_side(struct walker *k, value branch, block side) {
    struct form cond = form_of(k, ir_at(k->f, branch)->a), before[MAX_CELLS];
    unsigned n = k->ncell;
    memcpy(before, k->now, n * sizeof *before);
    if (cond.unknown || is_constant(&cond) || !add_block(k, side) || !walk_block(k, side))
        return false;
    for (unsigned i = 0; i < k->ncell; i++) {
        struct form old = constant(0);
        old.coef[i] = 1;
        struct form change = plus(k, &k->now[i], UINT64_MAX, i < n ? &before[i] : &old);
        uint64_t factor, add;
        if (!is_multiple(k, &change, &cond, &factor, &add) || add != 0)
            return false;
    }
    return true;
}

static bool is_latch(const struct walker *k, block b, block head) {
    const struct block_data *d = ir_block(k->f, b);
    return d->nsucc == 2 && same_block(d->succ[0], head);
}

static bool walk_body(struct walker *k, block head) {
    block b = head, side;
    for (;;) {
        if (!add_block(k, b) || !walk_block(k, b))
            return false;
        if (is_latch(k, b, head))
            break;
        block behind = block_behind(k, b, &side);
        if (!behind.i || same_block(behind, head) ||
            (side.i && !walk_side(k, ir_terminator(k->f, b), side)))
            return false;
        b = behind;
    }
    k->w->latch = b;
    return true;
}

/* Does the loop lead back to its head by what block_behind allows?  (Before anything is evaluated:
 * most loops fail here.) */
static bool has_shape(const struct walker *k, block head) {
    block b = head, side;
    for (unsigned n = 0; n < MAX_BLOCKS && b.i; n++, b = block_behind(k, b, &side))
        if (is_latch(k, b, head))
            return true;
    return false;
}

/* ---- the whole ---- */

/* The cell whose content at the end of a round is what the latch tests. */
static bool find_test(struct walker *k) {
    struct form cond = form_of(k, ir_at(k->f, ir_terminator(k->f, k->w->latch))->a);
    if (cond.unknown || is_constant(&cond))
        return false;
    for (unsigned j = 0; j < k->ncell; j++) {
        if (same_form(&cond, &k->now[j])) {
            k->w->test = (int32_t)k->off[j];
            return true;
        }
    }
    return false;
}

static bool find_next(struct walker *k, block head) {
    k->w->next = *ir_phi_operand(k->f, k->w->phi, ir_pred_slot(k->f, k->w->latch, head));
    const struct known *n = find(k, k->w->next);
    if (!n || !n->pointer || n->off == 0)
        return false;
    k->w->step = (int32_t)n->off;
    return true;
}

static void count_inside(struct walker *k, uint32_t *inside, block b) {
    IR_FOR_INSNS (k->f, b, v) {
        for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
            value *o = ir_operand(k->f, v, n);
            const struct known *d = o && o->i ? find(k, *o) : NULL;
            if (d)
                inside[d - k->known]++;
        }
    }
}

/* Is every value but `next` used inside only? */
static bool is_closed(struct walker *k) {
    uint32_t inside[MAX_VALUES] = {0};
    for (unsigned i = 0; i < k->nbody; i++)
        count_inside(k, inside, k->body[i]);
    for (unsigned i = 0; i < k->nknown; i++)
        if (inside[i] != k->uses[k->known[i].v.i] && !same_value(k->known[i].v, k->w->next))
            return false;
    return true;
}

bool walk_find(const struct func *f, block head, const uint32_t *uses, struct walk *w) {
    const struct block_data *d = ir_block(f, head);
    value phi = d->first;
    if (d->npred != 2 || !ir_is(f, phi, OP_PHI) || ir_at(f, phi)->kind != KIND_PTR)
        return false;
    *w = (struct walk){.phi = phi};
    struct walker k;
    k.f = f;
    k.w = w;
    k.uses = uses;
    k.nbody = k.nknown = k.ncell = 0;
    if (!has_shape(&k, head))
        return false;
    define(&k, phi)->pointer = true;
    return walk_body(&k, head) && find_next(&k, head) && find_test(&k) && is_closed(&k);
}
