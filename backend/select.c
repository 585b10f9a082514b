/* select.c: the part of instruction selection that all targets share: block layout, the backward
 * walk, lowering of phis, and what may be moved past what.
 *
 * The instructions are collected in reverse in mach.insn itself, each block preceded (hence, in the
 * array, followed) by a marker with its label; select_finish turns the array round, drops the
 * markers and makes blocks of what stands between.  Until then minsn.orig of a marker is the label,
 * and of a branch or jump the label it goes to. */
#include "backend/select.h"

#include <string.h>

#include "runtime/alloc.h"
#include "runtime/bug.h"

#define MARKER UINT16_MAX           /* op of a marker */
#define LOCAL  UINT32_C(0x80000000) /* labels inside groups; others are IR blocks */

/* How far select_can_sink looks; keeps selection linear. */
#define SINK_WINDOW 64
/* How many moves may stand between two pointers that are compared. */
#define MOVE_WINDOW 8

/* ---- block layout ---- */

/* Blocks and loops in the order of their parent loop's list: items 1 .. nblock - 1 are blocks, item
 * nblock + l is loop l. */
struct nest {
    uint32_t *next;         /* next item of the same loop */
    uint32_t *first, *last; /* of each loop */
    bool *listed;           /* is the loop already in its parent's list? */
};

static void nest_append(struct nest *n, uint32_t loop, uint32_t item) {
    if (n->first[loop] == 0)
        n->first[loop] = item;
    else
        n->next[n->last[loop]] = item;
    n->last[loop] = item;
}

/* Lists b in its loop, and every loop around it in its parent, at first sight. */
static void nest_add(struct nest *n, const struct loops *l, uint32_t nblock, block b) {
    uint32_t in = l->of[b.i], item = b.i;
    for (;;) {
        nest_append(n, in, item);
        if (in == 0 || n->listed[in])
            return;
        n->listed[in] = true;
        item = nblock + in;
        in = l->loop[in].parent;
    }
}

/* Reads the lists from the outermost in. */
static void nest_flatten(const struct nest *n, struct layout *l, uint32_t nblock) {
    uint32_t *stack = xalloc(l->loops.nloop, sizeof *stack), depth = 0, item = n->first[0];
    while (item != 0 || depth > 0) {
        if (item == 0) {
            uint32_t loop = stack[--depth];
            l->last[loop] = l->n - 1;
            item = n->next[nblock + loop];
        } else if (item >= nblock) {
            stack[depth++] = item - nblock;
            item = n->first[item - nblock];
        } else {
            l->order[l->n++] = (block){item};
            item = n->next[item];
        }
    }
    xfree(stack);
}

static bool ends_in_trap(const struct func *f, block b) {
    return ir_is(f, ir_terminator(f, b), OP_TRAP);
}

/* Lists the blocks of one kind (in the way, or out of it) in reverse post-order. */
static void nest_add_all(struct nest *n, const struct func *f, const struct loops *l,
                         const struct rpo *r, bool traps) {
    for (uint32_t i = 0; i < r->n; i++)
        if (ends_in_trap(f, r->order[i]) == traps)
            nest_add(n, l, f->nblock, r->order[i]);
}

struct layout layout_make(const struct func *f) {
    struct rpo r = cfg_rpo(f);
    struct dom d = cfg_dom(f, &r);
    struct layout l = {.loops = cfg_loops(f, &r, &d)};
    uint32_t nloop = l.loops.nloop;
    struct nest n = {.next = xcalloc((size_t)f->nblock + nloop, sizeof(uint32_t)),
                     .first = xcalloc(nloop, sizeof(uint32_t)),
                     .last = xcalloc(nloop, sizeof(uint32_t)),
                     .listed = xcalloc(nloop, sizeof(bool))};
    l.order = xalloc(f->nblock, sizeof(block));
    l.pos = xalloc(f->nblock, sizeof(uint32_t));
    l.last = xcalloc(nloop, sizeof(uint32_t));
    nest_add_all(&n, f, &l.loops, &r, false);
    nest_add_all(&n, f, &l.loops, &r, true);
    nest_flatten(&n, &l, f->nblock);
    memset(l.pos, 0xff, f->nblock * sizeof *l.pos);
    for (uint32_t i = 0; i < l.n; i++)
        l.pos[l.order[i].i] = i;
    xfree(n.next);
    xfree(n.first);
    xfree(n.last);
    xfree(n.listed);
    cfg_dom_free(&d);
    cfg_rpo_free(&r);
    return l;
}

void layout_free(struct layout *l) {
    xfree(l->order);
    xfree(l->pos);
    xfree(l->last);
    cfg_loops_free(&l->loops);
}

/* ---- what may move past what ---- */

/* The pointer that p was moved from, and how far. */
static value base_of(const struct func *f, value p, int64_t *offset) {
    for (unsigned n = 0; n < MOVE_WINDOW && ir_is(f, p, OP_MOVE); n++) {
        *offset = (int64_t)((uint64_t)*offset + (uint64_t)ir_at(f, p)->imm);
        p = ir_at(f, p)->a;
    }
    return p;
}

enum overlap { SAME_CELL, OTHER_CELL, UNKNOWN_CELL };

static enum overlap overlap(const struct func *f, value a, value b) {
    int64_t ka = ir_at(f, a)->imm, kb = ir_at(f, b)->imm;
    value pa = base_of(f, ir_at(f, a)->a, &ka), pb = base_of(f, ir_at(f, b)->a, &kb);
    if (!same_value(pa, pb))
        return UNKNOWN_CELL;
    return ka == kb ? SAME_CELL : OTHER_CELL;
}

bool select_same_cell(const struct func *f, value a, value b) {
    return overlap(f, a, b) == SAME_CELL;
}

/* May the load not be made after `v` instead of before? */
static bool blocks_load(const struct func *f, value load, value v) {
    unsigned effects = op_info[ir_at(f, v)->op].effects;
    if (ir_at(f, load)->trap == MAY_TRAP &&
        ((effects & EFF_IO) || ir_at(f, v)->trap == NO_TRAP_DOM))
        return true; /* the mark of v may rest on this load */
    return (effects & EFF_WRITE) && (ir_clobbers(f, v) || overlap(f, load, v) != OTHER_CELL);
}

bool select_can_sink(const struct select *s, value v, value at) {
    const struct func *f = s->f;
    if (!same_block(ir_home(f, v), ir_home(f, at)))
        return false;
    unsigned effects = op_info[ir_at(f, v)->op].effects;
    if (effects & EFF_PURE)
        return !ir_is(f, v, OP_PHI);
    if (!ir_is(f, v, OP_LOAD))
        return false;
    value w = ir_prev(f, at);
    for (unsigned n = 0; n < SINK_WINDOW && w.i != 0; n++, w = ir_prev(f, w)) {
        if (same_value(w, v))
            return true;
        if (blocks_load(f, v, w))
            return false;
    }
    return false;
}

/* ---- groups ---- */

static void group_push(struct select *s, struct minsn in) {
    s->group = xgrow(s->group, &s->group_cap, (uint64_t)s->ngroup + 1, sizeof *s->group);
    s->group[s->ngroup++] = in;
}

/* Moves the finished group to the (reversed) instructions. */
static void group_close(struct select *s) {
    while (s->ngroup > 0)
        mach_push(s->m, s->group[--s->ngroup]);
}

void select_emit(struct select *s, struct minsn in) {
    in.ir = s->now.i;
    if (in.src == UINT32_MAX && s->now.i != 0)
        in.src = ir_at(s->f, s->now)->src;
    group_push(s, in);
}

mreg select_new_reg(struct select *s) {
    return s->m->nvreg++;
}

mreg select_def(struct select *s, value v) {
    if (s->vreg[v.i] == NO_REG)
        s->vreg[v.i] = select_new_reg(s);
    return s->vreg[v.i];
}

mreg select_reg(struct select *s, value v) {
    if (!ir_is_const(s->f, v))
        return select_def(s, v);
    mreg r = select_new_reg(s);
    s->t->constant(s, v, r);
    return r;
}

select_label select_new_label(struct select *s) {
    return LOCAL | s->nlabel++;
}

static struct minsn marker(select_label l) {
    struct minsn in = select_insn(MARKER, 0);
    in.orig = l;
    return in;
}

void select_place(struct select *s, select_label l) {
    group_push(s, marker(l));
}

void select_branch(struct select *s, struct minsn in, select_label l) {
    in.orig = l;
    select_emit(s, in);
}

void select_jump(struct select *s, select_label l) {
    select_branch(s, select_insn(s->t->mach->op_jump, 0), l);
}

select_label select_cold(struct select *s, struct minsn in) {
    select_label l = select_new_label(s);
    s->cold = xgrow(s->cold, &s->cold_cap, (uint64_t)s->ncold + 2, sizeof *s->cold);
    in.ir = s->now.i;
    s->cold[s->ncold++] = marker(l);
    s->cold[s->ncold++] = in;
    return l;
}

bool select_falls_to(const struct select *s, block b) {
    return s->layout.pos[b.i] == s->layout.pos[s->block.i] + 1;
}

/* ---- phis ---- */

/* What the phi is when entered from predecessor `slot`; NO_VALUE: there is no such predecessor. */
static value phi_input(const struct select *s, value phi, unsigned slot) {
    return *ir_phi_operand(s->f, phi, slot);
}

/* Every phi that has a use gets its register before the walk, because its operands may be selected
 * before or after it.  A constant operand has a register too, numbered right behind the phi's. */
static mreg phi_const_reg(const struct select *s, value phi, unsigned slot) {
    bool behind = slot == 1 && ir_is_const(s->f, phi_input(s, phi, 0));
    return s->vreg[phi.i] + 1 + behind;
}

static void number_phis(struct select *s) {
    for (uint32_t n = 0; n < s->layout.n; n++) {
        IR_FOR_INSNS (s->f, s->layout.order[n], v) {
            if (!ir_is(s->f, v, OP_PHI))
                break;
            if (s->uses[v.i] == 0)
                continue;
            select_def(s, v);
            for (unsigned slot = 0; slot < 2; slot++) {
                value in = phi_input(s, v, slot);
                if (in.i != 0 && ir_is_const(s->f, in))
                    select_new_reg(s);
            }
        }
    }
}

/* Asks for what the phis of the successors take from the present block; constants are emitted. */
static void ask_for_phi_operands(struct select *s) {
    const struct block_data *d = ir_block(s->f, s->block);
    for (unsigned n = 0; n < d->nsucc; n++) {
        unsigned slot = ir_pred_slot(s->f, s->block, d->succ[n]);
        IR_FOR_INSNS (s->f, d->succ[n], v) {
            if (!ir_is(s->f, v, OP_PHI))
                break;
            if (s->uses[v.i] == 0)
                continue;
            value in = phi_input(s, v, slot);
            if (ir_is_const(s->f, in))
                s->t->constant(s, in, phi_const_reg(s, v, slot));
            else
                select_def(s, in);
        }
    }
}

static void select_phis(struct select *s) {
    IR_FOR_INSNS (s->f, s->block, v) {
        if (!ir_is(s->f, v, OP_PHI))
            break;
        if (s->uses[v.i] == 0)
            continue;
        /* With one predecessor there is nothing to choose: a move, which the allocator drops. */
        unsigned npred = ir_block(s->f, s->block)->npred;
        struct minsn in = select_insn(npred == 1 ? s->t->mach->op_move : s->t->mach->op_phi, 8);
        in.r[0] = s->vreg[v.i];
        for (unsigned slot = 0; slot < npred; slot++) {
            value op = phi_input(s, v, slot);
            in.r[1 + slot] = ir_is_const(s->f, op) ? phi_const_reg(s, v, slot) : s->vreg[op.i];
            if (in.r[1 + slot] == NO_REG)
                in.r[1 + slot] = select_def(s, op);
        }
        s->now = v;
        select_emit(s, in);
    }
    if (s->t->behind_phis)
        s->t->behind_phis(s);
}

mreg select_before(struct select *s, value v) {
    uint32_t i = 0;
    while (s->group[i].r[0] != s->vreg[v.i])
        i++;
    assert(i < s->ngroup);
    return s->group[i].r[0] = select_new_reg(s);
}

/* ---- the walk ---- */

/* Has v an effect of its own?  What may leave the tape has one although nobody needs its result:
 * marks on other accesses may rest on it. */
static bool must_select(const struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    if (i->op == OP_SCAN || i->op == OP_LOAD)
        return i->trap == MAY_TRAP && !s->taken[v.i];
    return (op_info[i->op].effects & (EFF_WRITE | EFF_IO | EFF_END)) != 0;
}

static void select_value(struct select *s, value v) {
    s->now = v;
    if (ir_is(s->f, v, OP_JMP))
        select_jump(s, select_block(ir_block(s->f, s->block)->succ[0]));
    else
        s->t->insn(s, v);
}

static void walk_block(struct select *s) {
    value tape = NO_VALUE, v = ir_terminator(s->f, s->block);
    s->now = v;
    ask_for_phi_operands(s);
    for (; v.i != 0 && !ir_is(s->f, v, OP_PHI); v = ir_prev(s->f, v)) {
        if (ir_is(s->f, v, OP_TAPE))
            tape = v; /* made last, so that it comes first: it stands in a fixed register */
        else if (must_select(s, v) || s->vreg[v.i] != NO_REG || same_value(v, s->want))
            select_value(s, v);
        group_close(s);
    }
    assert(s->want.i == 0);
    if (tape.i != 0)
        select_value(s, tape);
    group_close(s);
    select_phis(s);
    group_close(s);
    s->now = NO_VALUE;
    mach_push(s->m, marker(select_block(s->block)));
}

/* ---- from reversed instructions and markers to blocks ---- */

/* Where the labels are, and where branches go, while blocks are being made. */
struct finish {
    uint32_t *of_block, *of_label; /* machine block that starts at an IR block or local label */
    uint32_t *block_end;           /* last machine block of each IR block */
};

static void reverse(struct minsn *p, uint32_t n) {
    for (uint32_t i = 0; i < n / 2; i++) {
        struct minsn t = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = t;
    }
}

/* Begins the machine block that marker l starts. */
static void begin_block(struct select *s, struct finish *fin, select_label l, uint32_t *ir_block) {
    struct mach *m = s->m;
    m->block = xgrow(m->block, &m->block_cap, (uint64_t)m->nblock + 1, sizeof *m->block);
    if (!(l & LOCAL)) {
        *ir_block = l;
        fin->of_block[l] = m->nblock;
    } else {
        fin->of_label[l & ~LOCAL] = m->nblock;
    }
    uint32_t depth = s->layout.loops.loop[s->layout.loops.of[*ir_block]].depth;
    m->block[m->nblock++] =
        (struct mblock){.ir_block = *ir_block, .depth = (uint16_t)(depth < 999 ? depth : 999)};
}

/* Splits the instructions at the markers; successors are labels still. */
static void cut_blocks(struct select *s, struct finish *fin) {
    struct mach *m = s->m;
    uint32_t w = 0, ir_block = 0, main_end = m->ninsn - s->ncold;
    for (uint32_t i = 0; i < m->ninsn; i++) {
        struct minsn in = m->insn[i];
        if (in.op == MARKER) {
            if (i >= main_end)
                ir_block = 0; /* loop 0: cold blocks are in no loop */
            begin_block(s, fin, in.orig, &ir_block);
            m->block[m->nblock - 1].first = w;
        } else {
            struct mblock *b = &m->block[m->nblock - 1];
            if (in.orig != 0)
                b->succ[b->nsucc++] = in.orig;
            in.orig = 0;
            m->insn[w++] = in;
        }
        m->block[m->nblock - 1].end = w;
        if (ir_block != 0)
            fin->block_end[ir_block] = m->nblock - 1;
    }
    m->ninsn = w;
    m->insn = xrealloc(m->insn, w, sizeof *m->insn); /* doubling left up to half of it unused */
    m->insn_cap = w;
}

/* Labels become block numbers.  An IR block's predecessors keep their order, because of the phis;
 * those of a local label are in layout order. */
static void link_blocks(struct select *s, const struct finish *fin) {
    struct mach *m = s->m;
    for (uint32_t n = 0; n < m->nblock; n++) {
        struct mblock *b = &m->block[n];
        for (unsigned i = 0; i < b->nsucc; i++) {
            uint32_t l = b->succ[i];
            bool local = l & LOCAL;
            b->succ[i] = local ? fin->of_label[l & ~LOCAL] : fin->of_block[l];
            struct mblock *to = &m->block[b->succ[i]];
            if (local)
                to->pred[to->npred++] = n;
        }
    }
    for (uint32_t n = 0; n < s->layout.n; n++) {
        block b = s->layout.order[n];
        const struct block_data *d = ir_block(s->f, b);
        struct mblock *to = &m->block[fin->of_block[b.i]];
        to->npred = d->npred;
        for (unsigned i = 0; i < d->npred; i++)
            to->pred[i] = fin->block_end[d->pred[i].i];
    }
}

/* Loop heads learn where their loop ends; loops made inside a group count as one deeper. */
static void mark_loops(struct select *s, const struct finish *fin) {
    struct mach *m = s->m;
    const struct layout *l = &s->layout;
    for (uint32_t n = 1; n < l->loops.nloop; n++)
        m->block[fin->of_block[l->loops.loop[n].head.i]].loop_end =
            fin->block_end[l->order[l->last[n]].i];
    for (uint32_t n = 0; n < s->nlabel; n++) {
        uint32_t head = fin->of_label[n];
        struct mblock *b = &m->block[head];
        for (unsigned i = 0; i < b->npred; i++) {
            if (b->pred[i] < head)
                continue;
            b->loop_end = b->pred[i];
            for (uint32_t k = head; k <= b->pred[i]; k++)
                m->block[k].depth++;
        }
    }
}

static void finish(struct select *s) {
    struct mach *m = s->m;
    struct finish fin = {.of_block = xcalloc(s->f->nblock, sizeof(uint32_t)),
                         .of_label = xcalloc((size_t)s->nlabel + 1, sizeof(uint32_t)),
                         .block_end = xcalloc(s->f->nblock, sizeof(uint32_t))};
    reverse(m->insn, m->ninsn);
    for (uint32_t i = 0; i < s->ncold; i++)
        mach_push(m, s->cold[i]);
    cut_blocks(s, &fin);
    link_blocks(s, &fin);
    mark_loops(s, &fin);
    xfree(fin.of_block);
    xfree(fin.of_label);
    xfree(fin.block_end);
}

/* ---- the whole ---- */

static void check_reachable(const struct select *s) {
    IR_FOR_BLOCKS (s->f, b) {
        if (s->layout.pos[b.i] == UINT32_MAX)
            bug("selection: block b%u cannot be reached", (unsigned)b.i);
    }
}

struct mach *select_function(struct func *f, const struct select_target *t, void *ctx) {
    struct select s = {.f = f, .t = t, .ctx = ctx, .layout = layout_make(f)};
    check_reachable(&s);
    s.m = mach_new(t->mach);
    s.m->cell_bits = f->cell_bits;
    s.m->ir = f;
    s.uses = ir_use_counts(f);
    mach_reserve(s.m, f->ninsn - f->ndead);
    s.vreg = xalloc(f->ninsn, sizeof(mreg));
    memset(s.vreg, 0xff, f->ninsn * sizeof(mreg));
    s.taken = xcalloc(f->ninsn, sizeof *s.taken);
    number_phis(&s);
    for (uint32_t n = s.layout.n; n-- > 0;) {
        s.block = s.layout.order[n];
        walk_block(&s);
    }
    finish(&s);
    layout_free(&s.layout);
    xfree(s.uses);
    xfree(s.vreg);
    xfree(s.taken);
    xfree(s.group);
    xfree(s.cold);
    return s.m;
}
