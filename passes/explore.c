/* explore.c: following all ways through a loop's body; see explore.h.
 *
 * Ways are found by running the iteration again and again, each time with the decisions of the last
 * run but its last open one turned around (as in Godefroid, Klarlund & Sen, "DART", PLDI 2005, with
 * expressions in place of concrete runs).  Nothing is saved or restored that way, and the number of
 * runs, the decisions of each and the instructions of all are bounded. */
#include "passes/explore.h"

#include <string.h>

#include "runtime/alloc.h"

#define WAY_STEPS 400 /* instructions of one way */

void explore_init(struct explore *e, struct func *f) {
    e->f = f;
    e->nlocal = f->ninsn;
    e->nblock = f->nblock;
    e->local = xcalloc(e->nlocal, sizeof *e->local);
    exprs_init(&e->x, f->cell_bits);
}

void explore_free(struct explore *e) {
    xfree(e->local);
    exprs_free(&e->x);
}

/* ---- the loop ---- */

static bool explore_can_follow(const struct insn *in) {
    switch ((int)in->op) {
    case OP_PHI:
    case OP_MOVE:
    case OP_LOAD:
    case OP_STORE:
    case OP_JMP:
    case OP_BR:
        return true;
    default:
        return (op_info[in->op].effects & ~EFF_COMM) == EFF_PURE && op_info[in->op].imm == IMM_NONE;
    }
}

static bool explore_number(struct explore *e, block b) {
    IR_FOR_INSNS (e->f, b, v) {
        if ((!e->singly && !explore_can_follow(ir_at(e->f, v))) || e->nvalue + 1 >= EXPLORE_VALUES)
            return false;
        e->nscan += ir_is(e->f, v, OP_SCAN);
        e->values[++e->nvalue] = v;
        e->local[v.i] = e->nvalue;
        e->nbranch += ir_is(e->f, v, OP_BR);
    }
    return true;
}

/* Lists the blocks of the loop; its one way back and, unless ways are followed singly, one way out
 * must be the latch's. */
static bool explore_list(struct explore *e, uint32_t n) {
    const struct loops *l = &e->cfg->loops;
    e->nbody = cfg_loop_blocks(e->cfg, n, e->body, EXPLORE_BLOCKS);
    for (unsigned i = 0; i < e->nbody; i++) {
        block b = e->body[i];
        if (!explore_number(e, b))
            return false;
        const struct block_data *d = ir_block(e->f, b);
        for (unsigned s = 0; s < d->nsucc && !e->singly; s++)
            if (!cfg_in_loop(l, n, d->succ[s]) && !same_block(b, e->latch))
                return false;
    }
    return e->nbody >= 2;
}

static bool explore_is_back(const struct explore *e, block from, block to) {
    return from.i < e->nblock && to.i < e->nblock && cfg_dominates(&e->cfg->dom, to, from);
}

/* The latch, which leaves the loop if it does not go back: two endless loops may share theirs. */
static bool explore_find_latch(struct explore *e, uint32_t n) {
    const struct block_data *h = ir_block(e->f, e->head);
    if (h->npred != 2)
        return false;
    bool back[2] = {explore_is_back(e, h->pred[0], e->head),
                    explore_is_back(e, h->pred[1], e->head)};
    if (back[0] == back[1])
        return false;
    e->latch = h->pred[back[0] ? 0 : 1];
    const struct block_data *d = ir_block(e->f, e->latch);
    e->back = d->nsucc == 2 && same_block(d->succ[1], e->head) ? 1 : 0;
    return d->nsucc == 2 && !cfg_in_loop(&e->cfg->loops, n, d->succ[1 - e->back]);
}

/* The root is the head's pointer phi, if it has one. */
static bool explore_find_root(struct explore *e) {
    IR_FOR_INSNS (e->f, e->head, v) {
        if (!ir_is(e->f, v, OP_PHI))
            break;
        if (ir_at(e->f, v)->kind != KIND_PTR)
            continue;
        if (e->root.i)
            return false;
        e->root = v;
    }
    return true;
}

/* The cell that the latch found not to be 0, as an offset from the next iteration's root. */
static void explore_find_head(struct explore *e) {
    struct func *f = e->f;
    value end = ir_terminator(f, e->latch);
    if (e->back != 0)
        return;
    struct cell root = {NO_VALUE, 0};
    if (e->root.i)
        root = cells_address(e->cells,
                             *ir_phi_operand(f, e->root, ir_pred_slot(f, e->latch, e->head)), 0);
    for (value v = ir_prev(f, end); v.i && !ir_clobbers(f, v); v = ir_prev(f, v)) {
        const struct insn *in = ir_at(f, v);
        bool here = in->op == OP_STORE && same_value(ir_resolve(f, in->b), ir_at(f, end)->a);
        here |= in->op == OP_LOAD && same_value(v, ir_at(f, end)->a);
        if (!here && in->op != OP_STORE)
            continue;
        struct cell c = cells_address(e->cells, in->a, in->imm);
        if (!root.root.i && !explore_local(e, c.root))
            e->root = root.root = c.root;
        e->head_known = here && same_value(c.root, root.root);
        e->head_off = cells_add(c.off, -root.off);
        return;
    }
}

bool explore_begin(struct explore *e, uint32_t n) {
    e->head = e->cfg->loops.loop[n].head;
    e->nbody = e->nvalue = e->nout = e->nloop = e->nbranch = e->nscan = 0;
    e->head_known = false;
    e->known = e->blamed = e->in = e->past = 0;
    e->root = NO_VALUE;
    e->keyed = e->have_delta = false;
    exprs_reset(&e->x);
    if (!explore_find_latch(e, n) || !explore_find_root(e) || !explore_list(e, n))
        return false;
    if (e->singly)
        explore_find_head(e);
    return e->nbranch > 1 || e->nscan > 0;
}

void explore_end(struct explore *e) {
    for (unsigned i = 1; i <= e->nvalue; i++)
        e->local[e->values[i].i] = 0;
}

bool explore_add_out(struct explore *e, value v) {
    for (unsigned i = 0; i < e->nout; i++)
        if (same_value(e->out[i], v))
            return true;
    if (e->nout == EXPLORE_OUTS)
        return false;
    e->out[e->nout++] = v;
    return true;
}

/* ---- what is known on a way ---- */

static node explore_known(struct explore *e, node n) {
    uint64_t plus;
    node base = expr_split(&e->x, n, &plus);
    for (unsigned i = 0; base.i && i < e->nfact; i++)
        if (e->fact[i].is.i && same_node(e->fact[i].n, base))
            return expr_make(&e->x, OP_ADD, e->fact[i].is, expr_const(&e->x, plus), (node){0});
    return n;
}

static bool explore_not_zero(const struct explore *e, node n) {
    if (expr_is_const(&e->x, n))
        return expr_const_of(&e->x, n) != 0;
    for (unsigned i = 0; i < e->nfact; i++)
        if (!e->fact[i].is.i && same_node(e->fact[i].n, n))
            return true;
    return false;
}

static void explore_fact(struct explore *e, node n, node is) {
    e->fact[e->nfact].n = n;
    e->fact[e->nfact++].is = is;
}

/* On this way n is 0, or is not. */
static void explore_learn(struct explore *e, node n, bool zero) {
    const struct expr x = *expr_at(&e->x, n);
    if ((x.op == OP_EQ && !zero) || (x.op == OP_NE && zero)) {
        if (expr_is_const(&e->x, x.b))
            explore_fact(e, x.a, x.b);
    } else if (zero) {
        uint64_t plus;
        node base = expr_split(&e->x, n, &plus);
        explore_fact(e, base, expr_const(&e->x, 0 - plus));
    } else {
        explore_fact(e, n, (node){0});
    }
}

/* ---- values ---- */

/* A pointer as an offset from the root; false if it is relative to another one. */
static bool explore_pointer(struct explore *e, value p, int64_t *off) {
    p = ir_resolve(e->f, p);
    uint32_t n = explore_local(e, p);
    if (n) {
        *off = e->place[n];
        return true;
    }
    struct cell a = cells_address(e->cells, p, 0);
    if (!e->root.i)
        e->root = a.root;
    *off = a.off;
    return same_value(a.root, e->root);
}

static node explore_cell_value(struct explore *e, value v) {
    v = ir_resolve(e->f, v);
    if (ir_is_const(e->f, v))
        return expr_const(&e->x, ir_const_of(e->f, v));
    uint32_t n = explore_local(e, v);
    node is = n ? e->env[n] : expr_leaf(&e->x, OP_COPY, (node){0}, (int64_t)v.i);
    return explore_known(e, is);
}

/* ---- the way ---- */

enum step { GO_ON, WAY_ENDS, GIVE_UP };

struct follower {
    struct explore *e;
    struct way *w;
    block from, at;
    const bool *side; /* of the forks, in order */
    unsigned nside, fork;
};

/* The cell at an offset; NULL if there are too many. */
static struct way_cell *explore_cell(struct follower *r, int64_t off, uint32_t src) {
    struct explore *e = r->e;
    for (unsigned i = 0; i < r->w->ncell; i++)
        if (r->w->cell[i].off == off)
            return &r->w->cell[i];
    if (r->w->ncell == EXPLORE_CELLS)
        return NULL;
    node now = e->keyed && off == e->key_off ? expr_const(&e->x, e->key)
                                             : expr_leaf(&e->x, OP_LOAD, (node){0}, off);
    r->w->cell[r->w->ncell] = (struct way_cell){off, src, now};
    return &r->w->cell[r->w->ncell++];
}

static enum step follow_access(struct follower *r, value v) {
    struct explore *e = r->e;
    const struct insn *in = ir_at(e->f, v);
    int64_t off;
    if (!explore_pointer(e, in->a, &off))
        return GIVE_UP;
    struct way_cell *c = explore_cell(r, cells_add(off, in->imm), in->src);
    if (!c)
        return WAY_ENDS;
    if (in->op == OP_STORE)
        c->now = explore_cell_value(e, in->b);
    else
        e->env[e->local[v.i]] = explore_known(e, c->now);
    return GO_ON;
}

/* Singly: a test whose outcome is not known. */
static enum step follow_decision(struct follower *r, node cond, bool *zero) {
    r->w->known--;
    if (r->w->ndecision == EXPLORE_FORKS)
        return WAY_ENDS;
    struct decision *d = &r->w->decision[r->w->ndecision++];
    *d = (struct decision){.cond = cond, .other = true};
    if (r->fork == r->nside) {
        r->w->open = true;
        return WAY_ENDS;
    }
    *zero = d->zero = r->side[r->fork++];
    explore_learn(r->e, cond, *zero);
    return GO_ON;
}

/* Round by round; there are as many as cells may be accessed. */
static enum step follow_scan(struct follower *r, value v) {
    struct explore *e = r->e;
    const struct insn *in = ir_at(e->f, v);
    int64_t *at = &e->place[e->local[v.i]];
    if (!explore_pointer(e, in->a, at))
        return WAY_ENDS;
    for (;; *at = cells_add(*at, in->stride)) {
        struct way_cell *c = explore_cell(r, cells_add(*at, in->imm), in->src);
        if (!c)
            return WAY_ENDS;
        node is = explore_known(e, c->now);
        r->w->known++;
        if (expr_is_num(&e->x, is, 0))
            return GO_ON;
        bool zero = false;
        if (!explore_not_zero(e, is)) {
            enum step s = follow_decision(r, is, &zero);
            if (s != GO_ON || zero)
                return s;
        }
    }
}

static enum step follow_value(struct follower *r, value v) {
    struct explore *e = r->e;
    const struct insn *in = ir_at(e->f, v);
    uint32_t n = e->local[v.i];
    e->set[n] = true;
    if (in->op == OP_LOAD || in->op == OP_STORE)
        return follow_access(r, v);
    if (in->op == OP_SCAN)
        return follow_scan(r, v);
    if (e->singly && !explore_can_follow(in))
        return WAY_ENDS;
    if (in->op == OP_MOVE) {
        if (!explore_pointer(e, in->a, &e->place[n]))
            return GIVE_UP;
        e->place[n] = cells_add(e->place[n], in->imm);
        return GO_ON;
    }
    node arg[IR_MAX_OPERANDS] = {{0}, {0}, {0}};
    for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
        value *o = ir_operand(e->f, v, k);
        if (o)
            arg[k] = explore_cell_value(e, *o);
    }
    e->env[n] = explore_known(e, expr_make(&e->x, in->op, arg[0], arg[1], arg[2]));
    return GO_ON;
}

/* The phis of a block all at once. */
static enum step follow_phis(struct follower *r, value *next) {
    struct explore *e = r->e;
    bool start = !r->from.i;
    unsigned slot = start ? 0 : ir_pred_slot(e->f, r->from, r->at);
    node cell[EXPLORE_PHIS];
    int64_t place[EXPLORE_PHIS];
    unsigned n = 0;
    value v = ir_block(e->f, r->at)->first;
    for (; ir_is(e->f, v, OP_PHI); v = ir_next(e->f, v), n++) {
        if (n == EXPLORE_PHIS)
            return GIVE_UP;
        value with = *ir_phi_operand(e->f, v, slot);
        place[n] = 0;
        if (ir_at(e->f, v)->kind == KIND_CELL)
            cell[n] = start ? expr_leaf(&e->x, OP_COPY, (node){0}, (int64_t)v.i)
                            : explore_cell_value(e, with);
        else if (!start && !explore_pointer(e, with, &place[n]))
            return GIVE_UP;
    }
    *next = v;
    v = ir_block(e->f, r->at)->first;
    for (unsigned i = 0; i < n; i++, v = ir_next(e->f, v)) {
        uint32_t at = e->local[v.i];
        e->set[at] = true;
        if (ir_at(e->f, v)->kind == KIND_CELL)
            e->env[at] = cell[i];
        else
            e->place[at] = place[i];
    }
    return GO_ON;
}

/* The number of the inner loop block b is the head of, 0 ... 31; or -1. */
static int explore_loop(struct explore *e, block b) {
    uint32_t l = e->cfg->loops.of[b.i];
    if (!l || !same_block(e->cfg->loops.loop[l].head, b))
        return -1;
    for (unsigned i = 0; i < e->nloop; i++)
        if (e->loop[i] == l)
            return (int)i;
    if (e->nloop == EXPLORE_LOOPS)
        return EXPLORE_LOOPS - 1;
    e->loop[e->nloop] = l;
    return (int)e->nloop++;
}

/* Singly, an iteration ends: goes on with the next, if there may be one. */
static enum step follow_round(struct follower *r) {
    struct explore *e = r->e;
    struct func *f = e->f;
    unsigned slot = ir_pred_slot(f, e->latch, e->head), n = 0;
    struct way *w = r->w;
    if (e->root.i && explore_local(e, e->root) &&
        !explore_pointer(e, *ir_phi_operand(f, e->root, slot), &w->delta))
        return GIVE_UP;
    w->rounds++;
    if (e->even && w->delta != e->step)
        return WAY_ENDS;
    w->dead = false;
    e->whole = *w;
    IR_FOR_INSNS (f, e->head, v) {
        if (!ir_is(f, v, OP_PHI) || n == EXPLORE_PHIS)
            break;
        if (ir_at(f, v)->kind == KIND_CELL)
            e->whole_next[n] = explore_cell_value(e, *ir_phi_operand(f, v, slot));
        n++;
    }
    w->dead = w->rounds < e->rounds;
    return w->dead ? GO_ON : WAY_ENDS;
}

/* Goes to successor n of the present block. */
static enum step follow_edge(struct follower *r, unsigned n) {
    block to = ir_block(r->e->f, r->at)->succ[n];
    if (r->e->singly) {
        enum step s = GO_ON;
        if (same_block(to, r->e->head))
            s = follow_round(r);
        else if (!explore_local(r->e, ir_terminator(r->e->f, to)))
            return WAY_ENDS; /* outside */
        r->from = r->at;
        r->at = to;
        return s;
    }
    int l = explore_loop(r->e, to);
    if (l >= 0)
        r->w->entered |= 1u << l;
    r->from = r->at;
    r->at = to;
    return GO_ON;
}

/* A br whose outcome is not known. */
static enum step follow_fork(struct follower *r, node cond, int back, int loop) {
    struct explore *e = r->e;
    if (r->w->ndecision == EXPLORE_FORKS)
        return WAY_ENDS;
    struct decision *d = &r->w->decision[r->w->ndecision++];
    *d = (struct decision){.cond = cond};
    if (back >= 0) {
        d->zero = back == 0; /* leaves the inner loop */
        if (r->w->nfree > r->w->ncell)
            r->w->nfree = r->w->ncell;
        e->blamed |= 1u << loop;
    } else {
        d->other = true;
        d->zero = r->fork < r->nside ? r->side[r->fork] : true;
        r->fork++;
    }
    explore_learn(e, cond, d->zero);
    return follow_edge(r, d->zero ? 1 : 0);
}

static enum step follow_singly(struct follower *r, node cond) {
    bool zero = !explore_not_zero(r->e, cond);
    r->w->known++;
    if (zero && !expr_is_const(&r->e->x, cond)) {
        enum step s = follow_decision(r, cond, &zero);
        if (s != GO_ON)
            return s;
    }
    return follow_edge(r, zero ? 1 : 0);
}

static enum step follow_branch(struct follower *r, value v) {
    struct explore *e = r->e;
    const struct block_data *d = ir_block(e->f, r->at);
    if (d->nsucc == 1)
        return follow_edge(r, 0);
    node cond = explore_cell_value(e, ir_at(e->f, v)->a);
    if (e->singly)
        return follow_singly(r, cond);
    if (same_block(r->at, e->latch)) {
        r->w->exit = cond;
        r->w->dead = false;
        return WAY_ENDS;
    }
    int back = -1, loop = 0;
    for (int n = 0; n < 2; n++)
        if (explore_is_back(e, r->at, d->succ[n])) {
            back = n;
            loop = explore_loop(e, d->succ[n]);
        }
    bool yes = explore_not_zero(e, cond);
    if (!yes && !expr_is_const(&e->x, cond))
        return follow_fork(r, cond, back, loop);
    if (back >= 0)
        e->known |= 1u << loop;
    return follow_edge(r, yes ? 0 : 1);
}

/* Follows one block. */
static enum step follow_block(struct follower *r, uint64_t *steps) {
    struct explore *e = r->e;
    value v;
    enum step s = follow_phis(r, &v);
    for (; s == GO_ON; v = ir_next(e->f, v)) {
        if (e->steps == 0)
            return GIVE_UP;
        if (*steps == 0)
            return WAY_ENDS;
        --*steps;
        e->steps--;
        if (ir_has(e->f, v, EFF_END))
            return follow_branch(r, v);
        s = follow_value(r, v);
    }
    return s;
}

/* At the end of a live way: the root's move, and what is used behind the loop. */
static bool follow_end(struct follower *r) {
    struct explore *e = r->e;
    struct way *w = r->w;
    if (e->root.i && explore_local(e, e->root)) {
        unsigned slot = ir_pred_slot(e->f, e->latch, e->head);
        if (!explore_pointer(e, *ir_phi_operand(e->f, e->root, slot), &w->delta))
            return false;
    }
    for (unsigned i = 0; i < e->nout; i++) {
        uint32_t n = explore_local(e, e->out[i]);
        assert(e->set[n]); /* it dominates the latch */
        if (ir_at(e->f, e->out[i])->kind == KIND_CELL)
            w->out[i] = e->env[n];
        else
            w->out_offset[i] = e->place[n];
    }
    return true;
}

bool explore_upto(struct explore *e, struct way *w, const bool *side, unsigned nside) {
    struct follower r = {.e = e, .w = w, .at = e->head, .side = side, .nside = nside};
    uint64_t steps = WAY_STEPS;
    w->dead = true;
    w->open = false;
    w->known = 0;
    w->ncell = w->ndecision = 0;
    w->nfree = EXPLORE_CELLS;
    w->delta = 0;
    w->entered = 0;
    w->rounds = e->whole.rounds = 0;
    memset(w->out, 0, sizeof w->out);
    memset(w->out_offset, 0, sizeof w->out_offset);
    e->nfact = 0;
    if (e->head_known)
        explore_fact(e, expr_leaf(&e->x, OP_LOAD, (node){0}, e->head_off), (node){0});
    memset(e->set, 0, sizeof e->set);
    enum step s;
    while ((s = follow_block(&r, &steps)) == GO_ON)
        ;
    if (s == GIVE_UP)
        return false;
    e->followed++;
    e->decisions += w->ndecision;
    return w->dead || e->singly || follow_end(&r);
}

/* The sides of the next way: the last fork taken at 0 is taken at not 0.  False after the last. */
static bool explore_next(const struct way *w, bool *side, unsigned *nside) {
    unsigned n = 0;
    for (unsigned i = 0; i < w->ndecision; i++)
        if (w->decision[i].other)
            side[n++] = w->decision[i].zero;
    while (n > 0 && !side[n - 1])
        n--;
    if (n > 0)
        side[n - 1] = false;
    *nside = n;
    return n > 0;
}

enum followed explore_follow(struct explore *e) {
    bool side[EXPLORE_FORKS];
    unsigned nside = 0;
    e->nway = 0;
    e->followed = e->decisions = 0;
    do {
        if (e->nway == EXPLORE_LEAVES)
            return TOO_MANY_WAYS;
        struct way *w = &e->way[e->nway++];
        if (!explore_upto(e, w, side, nside))
            return CANNOT_FOLLOW;
    } while (explore_next(&e->way[e->nway - 1], side, &nside));
    return ALL_FOLLOWED;
}

/* ---- what the ways agree on ---- */

static bool ways_alike(const struct explore *e, const struct way *a, const struct way *b) {
    return a->delta == b->delta &&
           memcmp(a->out_offset, b->out_offset, e->nout * sizeof a->out_offset[0]) == 0;
}

void explore_agree(struct explore *e) {
    if (!e->have_delta) {
        unsigned best = 0, most = 0;
        for (unsigned i = 0; i < e->nway; i++) {
            unsigned like = 0;
            for (unsigned j = 0; j < e->nway && !e->way[i].dead; j++)
                like += !e->way[j].dead && ways_alike(e, &e->way[i], &e->way[j]);
            if (like > most) {
                most = like;
                best = i;
            }
        }
        if (most == 0)
            return;
        e->delta = e->way[best].delta;
        memcpy(e->out_offset, e->way[best].out_offset, sizeof e->out_offset);
        e->have_delta = true;
    }
    struct way agreed = {.delta = e->delta};
    memcpy(agreed.out_offset, e->out_offset, sizeof agreed.out_offset);
    for (unsigned i = 0; i < e->nway; i++)
        e->way[i].dead |= !ways_alike(e, &e->way[i], &agreed);
}

bool explore_plausible(const struct explore *e) {
    return (e->blamed & ~e->known & ~(e->in & e->past)) == 0;
}

/* ---- putting the ways together ---- */

void explore_forget_cells(struct explore *e) {
    e->ncell = 0;
    e->complete = false;
}

static bool explore_add_cell(struct explore *e, const struct way_cell *c) {
    for (unsigned i = 0; i < e->ncell; i++)
        if (e->cell[i] == c->off)
            return true;
    if (e->ncell == EXPLORE_CELLS)
        return false;
    e->cell[e->ncell] = c->off;
    e->src[e->ncell] = c->src;
    e->certain[e->ncell] = e->alive[e->ncell] = !e->complete;
    e->ncell++;
    return true;
}

/* Takes from the cells accessed for certain those that w leaves out. */
static void explore_see_way(struct explore *e, const struct way *w) {
    for (unsigned c = 0; c < e->ncell; c++) {
        unsigned k = 0;
        while (k < w->ncell && w->cell[k].off != e->cell[c])
            k++;
        e->certain[c] &= k < w->ncell && k < w->nfree;
        e->alive[c] &= k < w->ncell || w->dead;
    }
}

bool explore_cells(struct explore *e) {
    for (unsigned i = 0; i < e->nway; i++)
        for (unsigned k = 0; k < e->way[i].ncell; k++)
            if (!explore_add_cell(e, &e->way[i].cell[k]))
                return false;
    for (unsigned i = 0; i < e->nway; i++) {
        explore_see_way(e, &e->way[i]);
        if (!e->way[i].dead) {
            e->in |= e->way[i].entered;
            e->past |= ~e->way[i].entered;
        }
    }
    e->complete = true;
    return true;
}

static node explore_first(struct explore *e, int64_t off) {
    return e->keyed && off == e->key_off ? expr_const(&e->x, e->key)
                                         : expr_leaf(&e->x, OP_LOAD, (node){0}, off);
}

/* What one way leaves behind. */
static void outcome_of(struct explore *e, const struct way *w, struct outcome *o) {
    memset(o, 0, sizeof *o);
    o->slot[SLOT_BAD] = expr_const(&e->x, 0);
    o->slot[SLOT_EXIT] = w->exit;
    for (unsigned c = 0; c < e->ncell; c++) {
        o->slot[SLOT_CELL + c] = explore_first(e, e->cell[c]);
        for (unsigned k = 0; k < w->ncell; k++)
            if (w->cell[k].off == e->cell[c])
                o->slot[SLOT_CELL + c] = w->cell[k].now;
    }
    for (unsigned i = 0; i < e->nout; i++)
        o->slot[SLOT_OUT + i] = w->out[i];
}

/* cond decides between two outcomes; NULL: dead. */
static void outcome_join(struct explore *e, node cond, const struct outcome *yes,
                         const struct outcome *no, struct outcome *o) {
    const struct outcome *live = yes ? yes : no;
    node one = expr_const(&e->x, 1);
    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        node y = yes ? yes->slot[s] : live->slot[s], n = no ? no->slot[s] : live->slot[s];
        if (s == SLOT_BAD) {
            y = yes ? y : one;
            n = no ? n : one;
            if (!yes && expr_is_num(&e->x, n, 0)) {
                o->slot[s] = cond;
                continue;
            }
        }
        o->slot[s] = y.i ? expr_make(&e->x, OP_SELECT, cond, y, n) : (node){0};
    }
}

/* The outcome of ways lo ... hi - 1, which share their first `depth` decisions. */
static bool merge_ways(struct explore *e, unsigned lo, unsigned hi, unsigned depth,
                       struct outcome *o) {
    const struct way *first = &e->way[lo];
    if (depth == first->ndecision) {
        assert(hi == lo + 1);
        if (!first->dead)
            outcome_of(e, first, o);
        return !first->dead;
    }
    unsigned mid = lo;
    while (mid < hi && e->way[mid].decision[depth].zero)
        mid++;
    struct outcome zero, other;
    bool zero_alive = mid > lo && merge_ways(e, lo, mid, depth + 1, &zero);
    bool other_alive = mid < hi && merge_ways(e, mid, hi, depth + 1, &other);
    if (!zero_alive && !other_alive)
        return false;
    outcome_join(e, first->decision[depth].cond, other_alive ? &other : NULL,
                 zero_alive ? &zero : NULL, o);
    return true;
}

bool explore_merge(struct explore *e, struct outcome *o) {
    return merge_ways(e, 0, e->nway, 0, o);
}
