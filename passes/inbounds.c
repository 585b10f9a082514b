/* inbounds.c: marks the accesses that cannot leave the tape.
 *
 *   b1: %2 = load %1 + 4                b1: %2 = load %1 + 4
 *       store %1 - 1, %2                    store %1 - 1, %2
 *       br %2, b2, b3           =>          br %2, b2, b3
 *   b2: %3 = load %1 + 2                b2: %3 = load %1 + 2     ; no trap: dominated
 *
 * The tape is contiguous: what lies between two cells that were accessed is on it, and stays on it.
 * So one interval of offsets is kept for every root pointer; an access inside it is safe, any other
 * widens it for all that the access dominates.
 *  - The pointer a program starts with has the whole tape, if its size is known, else cell 0.
 *  - A scan that moves right has accessed the cell it stopped at; to the left of that everything is
 *    on the tape that was so from where it started, as it only moved away from there.
 *  - A phi has what both its operands have at the end of the predecessors.  That of a back edge is
 *    not known at first, so the tree is walked twice: the first walk takes nothing for it and is
 *    right to, and what it finds at the ends of blocks the second may use.
 *
 * A TOUCH inside the interval does nothing and is removed.  Runs last: no pass may move an access
 * after its mark was set.  Tests: tests/ir/inbounds. */
#include "passes/cells.h"
#include "passes/domtree.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

/* Offsets known to be on the tape; none if lo > hi. */
struct interval {
    int64_t lo, hi;
};

#define NOTHING ((struct interval){1, 0})

/* A root pointer.  Roots are numbered from 1 as they come up. */
struct inb_root {
    struct interval now;
    struct interval edge[2]; /* phis: what each operand has at the end of its predecessor */
};

struct inb_undo {
    uint32_t root;
    struct interval old;
};

struct inb {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
    uint32_t *number; /* root value -> number */
    struct inb_root *root;
    uint32_t nroot, root_cap;
    struct inb_undo *undo;
    uint32_t nundo, undo_cap;
    uint32_t *undo_at; /* height of the undo stack when a block was entered */
    bool mark, changed;
};

static struct inb_root *inb_root(struct inb *s, value v) {
    if (s->number[v.i] == 0) {
        s->root = xgrow(s->root, &s->root_cap, (uint64_t)s->nroot + 1, sizeof *s->root);
        s->root[s->nroot] = (struct inb_root){NOTHING, {NOTHING, NOTHING}};
        s->number[v.i] = s->nroot++;
    }
    return &s->root[s->number[v.i]];
}

static bool inb_has(struct interval i, int64_t off) {
    return i.lo <= off && off <= i.hi;
}

static struct interval inb_with(struct interval i, int64_t off) {
    if (i.lo > i.hi)
        return (struct interval){off, off};
    return (struct interval){off < i.lo ? off : i.lo, off > i.hi ? off : i.hi};
}

/* The interval seen from d cells further right. */
static struct interval inb_from(struct interval i, int64_t d) {
    struct interval far;
    if (i.lo > i.hi || __builtin_sub_overflow(i.lo, d, &far.lo) ||
        __builtin_sub_overflow(i.hi, d, &far.hi))
        return NOTHING;
    return far;
}

static void inb_set(struct inb *s, value root, struct interval i) {
    struct inb_root *r = inb_root(s, root);
    s->undo = xgrow(s->undo, &s->undo_cap, (uint64_t)s->nundo + 1, sizeof *s->undo);
    s->undo[s->nundo++] = (struct inb_undo){s->number[root.i], r->now};
    r->now = i;
}

/* What is known of pointer p. */
static struct interval inb_of(struct inb *s, value p) {
    struct cell a = cells_address(&s->cells, p, 0);
    return inb_from(inb_root(s, a.root)->now, a.off);
}

static void inb_safe(struct inb *s, value v, value root) {
    if (!s->mark || ir_at(s->f, v)->trap != MAY_TRAP || ir_is(s->f, v, OP_HASH) ||
        !pass_may(s->env))
        return;
    s->changed = true;
    bool start = ir_is(s->f, root, OP_TAPE) && s->f->program;
    if (ir_is(s->f, v, OP_TOUCH)) {
        pass_count(s->env, "touches", 1);
        ir_remove(s->f, v);
        return;
    }
    pass_count(s->env, start ? "range" : "dominated", 1);
    ir_at(s->f, v)->trap = start ? NO_TRAP_RANGE : NO_TRAP_DOM;
}

/* v accesses the cell at its operand + its offset. */
static void inb_access(struct inb *s, value v) {
    const struct insn *in = ir_at(s->f, v);
    struct cell a = cells_address(&s->cells, in->a, in->imm);
    struct interval now = inb_root(s, a.root)->now;
    if (!inb_has(now, a.off))
        inb_set(s, a.root, inb_with(now, a.off));
    else if (in->op != OP_SCAN)
        inb_safe(s, v, a.root);
}

/* A scan: the first cell it looks at, and what is known of where it ends. */
static void inb_scan(struct inb *s, value v) {
    inb_access(s, v);
    const struct insn *in = ir_at(s->f, v);
    struct interval from = inb_of(s, in->a);
    if (from.lo > from.hi)
        from = (struct interval){in->imm, in->imm};
    if (in->stride > 0)
        from.hi = in->imm;
    else
        from.lo = in->imm;
    inb_set(s, v, from);
}

static void inb_phi(struct inb *s, value v) {
    if (ir_at(s->f, v)->kind != KIND_PTR)
        return;
    const struct inb_root *r = inb_root(s, v);
    struct interval both = {r->edge[0].lo > r->edge[1].lo ? r->edge[0].lo : r->edge[1].lo,
                            r->edge[0].hi < r->edge[1].hi ? r->edge[0].hi : r->edge[1].hi};
    if (r->edge[0].lo > r->edge[0].hi || r->edge[1].lo > r->edge[1].hi || both.lo > both.hi)
        both = NOTHING;
    inb_set(s, v, both);
}

static void inb_start(struct inb *s, value tape) {
    if (!s->f->program)
        return;
    uint64_t cells = s->f->tape_cells ? s->f->tape_cells : 1;
    int64_t last = cells > INT64_MAX ? INT64_MAX : (int64_t)(cells - 1);
    inb_set(s, tape, (struct interval){0, last});
}

/* Tells the pointer phis of the successors what is known at the end of b. */
static void inb_tell(struct inb *s, block b) {
    const struct block_data *d = ir_block(s->f, b);
    for (unsigned n = 0; n < d->nsucc; n++) {
        unsigned slot = ir_pred_slot(s->f, b, d->succ[n]);
        IR_FOR_INSNS (s->f, d->succ[n], v) {
            const struct insn *in = ir_at(s->f, v);
            if (in->op != OP_PHI)
                break;
            if (in->kind != KIND_PTR)
                continue;
            struct interval i = inb_of(s, slot == 0 ? in->a : in->b);
            inb_root(s, v)->edge[slot] = i;
            if (ir_block(s->f, d->succ[n])->npred == 1)
                inb_root(s, v)->edge[1] = i;
        }
    }
}

static void inb_enter(struct inb *s, block b) {
    s->undo_at[b.i] = s->nundo;
    IR_FOR_INSNS_SAFE (s->f, b, v) {
        switch ((int)ir_at(s->f, v)->op) {
        case OP_TAPE:
            inb_start(s, v);
            break;
        case OP_PHI:
            inb_phi(s, v);
            break;
        case OP_SCAN:
            inb_scan(s, v);
            break;
        case OP_LOAD:
        case OP_STORE:
        case OP_TOUCH:
            inb_access(s, v);
            break;
        default:
            break;
        }
    }
    inb_tell(s, b);
}

static void inb_leave(struct inb *s, block b) {
    while (s->nundo > s->undo_at[b.i]) {
        const struct inb_undo *u = &s->undo[--s->nundo];
        s->root[u->root].now = u->old;
    }
}

static void inb_walk(struct inb *s, const struct rpo *r, const struct dom *d) {
    struct domtree t = domtree_make(s->f, r, d);
    while (domtree_next(&t)) {
        if (t.leaving)
            inb_leave(s, t.at);
        else
            inb_enter(s, t.at);
    }
    domtree_free(&t);
}

bool pass_inbounds(struct func *f, struct pass_env *env) {
    struct inb s = {.f = f, .env = env, .nroot = 1};
    struct rpo r = cfg_rpo(f);
    struct dom d = cfg_dom(f, &r);
    cells_init(&s.cells, f);
    s.number = xcalloc(f->ninsn, sizeof *s.number);
    s.undo_at = xcalloc(f->nblock, sizeof *s.undo_at);
    inb_walk(&s, &r, &d);
    s.mark = true;
    inb_walk(&s, &r, &d);
    cfg_dom_free(&d);
    cfg_rpo_free(&r);
    cells_free(&s.cells);
    xfree(s.number);
    xfree(s.root);
    xfree(s.undo);
    xfree(s.undo_at);
    return s.changed;
}
