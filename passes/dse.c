/* dse.c: dead store elimination.
 *
 *   store %1 + 3, %2
 *   ...                     no read of %1 + 3 on any way
 *   store %1 + 3, %4   =>   the first store goes
 *
 * A backward data-flow analysis: which cells will be written before they are read, on every way
 * from here?  The state is a set of dead cells (cells.h) and perhaps `all`: every cell is dead but
 * for those read, which is how things stand at the end of a program and at a trap: from there only
 * output is seen.  (The end of a loop's unit hands the tape on.)  Therefore an access that may trap
 * between the two stores does not keep the first one.
 *
 *  - A load reads its own cell and, for all we know, every cell with another root.
 *  - A scan reads any cell, except those at its own root that it steps over.  `#` reads all.
 *  - At a block's head, cells relative to its phis are renamed along each edge.
 *
 * Within a block the set has any size: killing the cells of other roots takes no time, as each cell
 * has the time it was written and the last reads of two different roots are remembered.  Between
 * blocks the DSE_MAX cells written soonest are kept.  Loops are solved from the optimistic side, in
 * at most DSE_SWEEPS sweeps; if that was too few, one pessimistic sweep gives a weaker answer.
 *
 * Before that, a store of the value just read from the same cell goes, block by block.
 * Linear.  Tests: tests/ir/dse. */
#include <string.h>

#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define DSE_MAX    32
#define DSE_SWEEPS 8

/* What holds at the head of a block: numbers of cells, in rising order. */
struct dse_state {
    bool top; /* not computed yet: no way from here is known */
    bool all; /* what is not in read[] is dead; the cells of read[] have one root */
    uint32_t ndead, nread;
    uint32_t dead[DSE_MAX], read[DSE_MAX];
};

/* The latest events that concern all cells but those of one root. */
struct dse_kills {
    value root;            /* of the latest */
    uint32_t last, before; /* its time; the time of the latest with another root */
};

struct dse {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
    struct rpo rpo;
    /* Per cell, `nat` of them: when it was last written, and when read, below where the walk is. */
    uint32_t *dead_at, *read_at;
    value *known; /* self-stores: what the cell holds since dead_at */
    uint32_t nat;
    uint32_t *cell_of;    /* per LOAD and STORE: its cell */
    uint32_t time, start; /* times before start are of earlier walks */
    struct dse_kills kills;
    bool all;
    value read_root; /* with all: the root of the reads, if any */
    uint32_t nread, read[DSE_MAX];
    uint32_t *log; /* the cells written in this walk, in order */
    uint32_t nlog, log_cap;
    /* Per block: where its state stands in the arena; 0: top. */
    uint32_t *in;
    uint32_t *arena;
    uint32_t narena, arena_cap;
    bool *dirty;
    bool pessimistic;
    bool changed;
};

static bool dse_may(struct dse *d, const char *what) {
    if (!pass_may(d->env))
        return false;
    pass_count(d->env, what, 1);
    d->changed = true;
    return true;
}

/* ---- events ---- */

static void dse_kill_others(struct dse *d, value root) {
    struct dse_kills *k = &d->kills;
    if (!same_value(k->root, root)) {
        k->before = k->last;
        k->root = root;
    }
    k->last = d->time;
}

/* Is what was noted at this time about a cell of this root still true? */
static bool dse_holds(const struct dse *d, uint32_t at, value root) {
    const struct dse_kills *k = &d->kills;
    return at >= d->start && at > (same_value(k->root, root) ? k->before : k->last);
}

static void dse_cover(struct dse *d) {
    if (d->nat >= d->cells.n)
        return;
    uint32_t n = d->cells.cap;
    d->dead_at = xrealloc(d->dead_at, n, sizeof *d->dead_at);
    d->read_at = xrealloc(d->read_at, n, sizeof *d->read_at);
    d->known = xrealloc(d->known, n, sizeof *d->known);
    memset(d->dead_at + d->nat, 0, (n - d->nat) * sizeof *d->dead_at);
    memset(d->read_at + d->nat, 0, (n - d->nat) * sizeof *d->read_at);
    d->nat = n;
}

static uint32_t dse_cell(struct dse *d, value p, int64_t k) {
    uint32_t id = cells_id(&d->cells, p, k);
    dse_cover(d);
    return id;
}

static value dse_root(const struct dse *d, uint32_t id) {
    return d->cells.at[id].root;
}

/* Begins a walk: nothing is known. */
static void dse_restart(struct dse *d) {
    if (d->time > UINT32_MAX / 2) {
        memset(d->dead_at, 0, d->nat * sizeof *d->dead_at);
        memset(d->read_at, 0, d->nat * sizeof *d->read_at);
        d->time = 0;
    }
    d->start = ++d->time;
    d->kills = (struct dse_kills){NO_VALUE, 0, 0};
    d->all = false;
    d->read_root = NO_VALUE;
    d->nread = d->nlog = 0;
}

static bool dse_is_dead(const struct dse *d, uint32_t id) {
    value root = dse_root(d, id);
    if (dse_holds(d, d->dead_at[id], root))
        return true;
    if (!d->all)
        return false;
    return d->nread == 0 || (same_value(root, d->read_root) && d->read_at[id] < d->start);
}

static void dse_write(struct dse *d, uint32_t id) {
    d->dead_at[id] = ++d->time;
    d->log = xgrow(d->log, &d->log_cap, (uint64_t)d->nlog + 1, sizeof *d->log);
    d->log[d->nlog++] = id;
}

/* A read ends `all`, unless all reads so far are of few cells of one root. */
static void dse_read_of_all(struct dse *d, uint32_t id) {
    value root = dse_root(d, id);
    if (d->nread == 0)
        d->read_root = root;
    if (!same_value(root, d->read_root)) {
        d->all = false;
    } else if (d->read_at[id] < d->start) {
        if (d->nread == DSE_MAX) {
            d->all = false;
            return;
        }
        d->read_at[id] = d->time;
        d->read[d->nread++] = id;
    }
}

static void dse_read(struct dse *d, uint32_t id) {
    d->time++;
    dse_kill_others(d, dse_root(d, id));
    d->dead_at[id] = 0;
    if (d->all)
        dse_read_of_all(d, id);
}

static void dse_read_everything(struct dse *d) {
    dse_restart(d);
}

/* ---- states ---- */

/* Nothing is dead.  The lists are not cleared: these structures are large and often made. */
static void dse_set_none(struct dse_state *s) {
    s->top = s->all = false;
    s->ndead = s->nread = 0;
}

static void dse_sort(uint32_t *a, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        uint32_t x = a[i], j = i;
        for (; j > 0 && a[j - 1] > x; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

static bool dse_has(const uint32_t *a, uint32_t n, uint32_t id) {
    for (uint32_t i = 0; i < n; i++)
        if (a[i] == id)
            return true;
    return false;
}

/* The state the walk has come to: the cells written last, of those still dead. */
static void dse_save(struct dse *d, struct dse_state *s) {
    dse_set_none(s);
    s->all = d->all;
    s->nread = d->all ? d->nread : 0;
    memcpy(s->read, d->read, s->nread * sizeof *s->read);
    uint32_t left = 4 * DSE_MAX;
    for (uint32_t i = d->nlog; i-- > 0 && left-- > 0 && s->ndead < DSE_MAX;) {
        uint32_t id = d->log[i];
        if (dse_holds(d, d->dead_at[id], dse_root(d, id)) && !dse_has(s->dead, s->ndead, id))
            s->dead[s->ndead++] = id;
    }
    dse_sort(s->dead, s->ndead);
    dse_sort(s->read, s->nread);
}

static void dse_load_state(struct dse *d, const struct dse_state *s) {
    dse_restart(d);
    d->all = s->all || s->top;
    for (uint32_t i = 0; i < s->nread; i++) {
        d->time++;
        dse_read_of_all(d, s->read[i]);
    }
    for (uint32_t i = 0; i < s->ndead; i++)
        dse_write(d, s->dead[i]);
}

static bool dse_dead_in(const struct dse *d, const struct dse_state *s, uint32_t id) {
    if (s->top || dse_has(s->dead, s->ndead, id))
        return true;
    if (!s->all)
        return false;
    return s->nread == 0 || (same_value(dse_root(d, id), dse_root(d, s->read[0])) &&
                             !dse_has(s->read, s->nread, id));
}

/* The reads of both, if `all` can still stand for the rest. */
static void dse_meet_reads(const struct dse *d, struct dse_state *to, const struct dse_state *a,
                           const struct dse_state *b) {
    if (!a->all || !b->all)
        return;
    if (a->nread && b->nread && !same_value(dse_root(d, a->read[0]), dse_root(d, b->read[0])))
        return;
    memcpy(to->read, a->read, a->nread * sizeof *a->read);
    uint32_t n = a->nread;
    for (uint32_t i = 0; i < b->nread; i++) {
        if (dse_has(to->read, n, b->read[i]))
            continue;
        if (n == DSE_MAX)
            return;
        to->read[n++] = b->read[i];
    }
    to->all = true;
    to->nread = n;
}

/* What is dead in both. */
static void dse_meet(const struct dse *d, const struct dse_state *a, const struct dse_state *b,
                     struct dse_state *to) {
    if (a->top || b->top) {
        *to = a->top ? *b : *a;
        return;
    }
    dse_set_none(to);
    dse_meet_reads(d, to, a, b);
    for (uint32_t i = 0; i < a->ndead; i++)
        if (dse_dead_in(d, b, a->dead[i]))
            to->dead[to->ndead++] = a->dead[i];
    for (uint32_t i = 0; i < b->ndead && to->ndead < DSE_MAX; i++)
        if (!dse_has(to->dead, to->ndead, b->dead[i]) && dse_dead_in(d, a, b->dead[i]))
            to->dead[to->ndead++] = b->dead[i];
}

/* ---- states of blocks ---- */

enum { DSE_IS_ALL, DSE_NDEAD, DSE_NREAD, DSE_HEADER };

static void dse_state_of(const struct dse *d, block b, struct dse_state *s) {
    dse_set_none(s);
    s->top = d->in[b.i] == 0;
    if (s->top)
        return;
    const uint32_t *p = &d->arena[d->in[b.i]];
    s->all = p[DSE_IS_ALL] != 0;
    s->ndead = p[DSE_NDEAD];
    s->nread = p[DSE_NREAD];
    memcpy(s->dead, p + DSE_HEADER, s->ndead * sizeof *s->dead);
    memcpy(s->read, p + DSE_HEADER + s->ndead, s->nread * sizeof *s->read);
}

static bool dse_is_state(const uint32_t *p, const struct dse_state *s) {
    return p[DSE_IS_ALL] == s->all && p[DSE_NDEAD] == s->ndead && p[DSE_NREAD] == s->nread &&
           memcmp(p + DSE_HEADER, s->dead, s->ndead * sizeof *s->dead) == 0 &&
           memcmp(p + DSE_HEADER + s->ndead, s->read, s->nread * sizeof *s->read) == 0;
}

/* Stores s as the state of b; true if it is another one than before. */
static bool dse_set_state(struct dse *d, block b, const struct dse_state *s) {
    const uint32_t *old = d->in[b.i] ? &d->arena[d->in[b.i]] : NULL;
    if (old && dse_is_state(old, s))
        return false;
    uint32_t need = DSE_HEADER + s->ndead + s->nread;
    if (!old || DSE_HEADER + old[DSE_NDEAD] + old[DSE_NREAD] < need) {
        d->arena = xgrow(d->arena, &d->arena_cap, (uint64_t)d->narena + need, sizeof *d->arena);
        d->in[b.i] = d->narena;
        d->narena += need;
    }
    uint32_t *p = &d->arena[d->in[b.i]];
    p[DSE_IS_ALL] = s->all;
    p[DSE_NDEAD] = s->ndead;
    p[DSE_NREAD] = s->nread;
    memcpy(p + DSE_HEADER, s->dead, s->ndead * sizeof *s->dead);
    memcpy(p + DSE_HEADER + s->ndead, s->read, s->nread * sizeof *s->read);
    return true;
}

/* Renames cells relative to phis of `to` for its predecessor in this slot. */
static void dse_rename(struct dse *d, uint32_t *id, uint32_t n, block to, unsigned slot) {
    struct func *f = d->f;
    for (uint32_t i = 0; i < n; i++) {
        struct cell c = d->cells.at[id[i]];
        if (ir_is(f, c.root, OP_PHI) && same_block(ir_home(f, c.root), to))
            id[i] = dse_cell(d, *ir_phi_operand(f, c.root, slot), c.off);
    }
}

/* Drops `all` if renaming gave the reads several roots. */
static void dse_check_reads(const struct dse *d, struct dse_state *s) {
    for (uint32_t i = 1; i < s->nread; i++) {
        if (!same_value(dse_root(d, s->read[i]), dse_root(d, s->read[0]))) {
            s->all = false;
            s->nread = 0;
        }
    }
}

static void dse_over_edge(struct dse *d, block b, block to, struct dse_state *s) {
    if (d->pessimistic && d->rpo.pos[to.i] <= d->rpo.pos[b.i]) {
        dse_set_none(s);
        return;
    }
    dse_state_of(d, to, s);
    value first = ir_block(d->f, to)->first;
    if (!ir_is(d->f, first, OP_PHI))
        return;
    unsigned slot = ir_pred_slot(d->f, b, to);
    dse_rename(d, s->dead, s->ndead, to, slot);
    dse_rename(d, s->read, s->nread, to, slot);
    dse_check_reads(d, s);
}

/* The state at the end of b. */
static void dse_at_end(struct dse *d, block b, struct dse_state *s) {
    struct func *f = d->f;
    const struct block_data *bd = ir_block(f, b);
    if (bd->nsucc == 0) {
        dse_set_none(s);
        s->all = f->program || ir_is(f, bd->last, OP_TRAP);
    } else if (bd->nsucc == 1) {
        dse_over_edge(d, b, bd->succ[0], s);
    } else {
        struct dse_state one, other;
        dse_over_edge(d, b, bd->succ[0], &one);
        dse_over_edge(d, b, bd->succ[1], &other);
        dse_meet(d, &one, &other, s);
    }
}

/* ---- walking a block ---- */

/* Is the cell `off` from the root beside the way of this scan? */
static bool dse_scan_misses(const struct insn *scan, int64_t from, int64_t off) {
    const int64_t far = INT64_C(1) << 40; /* no arithmetic near the limits of int64_t */
    if (scan->stride == 0 || off < -far || off > far || from < -far || from > far)
        return false;
    int64_t dist = off - from;
    return dist % scan->stride != 0 || (dist != 0 && (dist < 0) != (scan->stride < 0));
}

static void dse_scan(struct dse *d, const struct insn *scan) {
    struct cell from = cells_address(&d->cells, scan->a, scan->imm);
    struct dse_state s;
    dse_save(d, &s);
    dse_read_everything(d);
    for (uint32_t i = 0; i < s.ndead; i++) {
        struct cell c = d->cells.at[s.dead[i]];
        if (same_value(c.root, from.root) && dse_scan_misses(scan, from.off, c.off))
            dse_write(d, s.dead[i]);
    }
}

/* Steps over v, upwards.  True if v is a dead store. */
static bool dse_step(struct dse *d, value v) {
    const struct insn *in = ir_at(d->f, v);
    if (in->op == OP_STORE) {
        uint32_t id = d->cell_of[v.i];
        bool dead = dse_is_dead(d, id);
        dse_write(d, id);
        return dead;
    }
    if (in->op == OP_LOAD)
        dse_read(d, d->cell_of[v.i]);
    else if (in->op == OP_SCAN)
        dse_scan(d, in);
    else if (op_info[in->op].effects & EFF_READ)
        dse_read_everything(d);
    return false;
}

/* Computes the state at the head of b anew; true if it changed. */
static bool dse_eval_block(struct dse *d, block b) {
    struct dse_state s;
    dse_at_end(d, b, &s);
    dse_load_state(d, &s);
    for (value v = ir_terminator(d->f, b); v.i; v = ir_prev(d->f, v))
        dse_step(d, v);
    dse_save(d, &s);
    return dse_set_state(d, b, &s);
}

/* One sweep against the flow over the blocks whose successors changed; true if any state did. */
static bool dse_sweep(struct dse *d) {
    bool any = false;
    for (uint32_t i = d->rpo.n; i-- > 0;) {
        block b = d->rpo.order[i];
        if (!d->dirty[b.i])
            continue;
        d->dirty[b.i] = false;
        if (!dse_eval_block(d, b))
            continue;
        const struct block_data *bd = ir_block(d->f, b);
        for (unsigned n = 0; n < bd->npred; n++) {
            d->dirty[bd->pred[n].i] = true;
            any |= d->rpo.pos[bd->pred[n].i] >= i;
        }
    }
    return any;
}

static void dse_solve(struct dse *d) {
    uint32_t n = d->f->nblock;
    d->narena = 1;
    memset(d->in, 0, n * sizeof *d->in);
    memset(d->dirty, true, n * sizeof *d->dirty);
    unsigned sweeps = 1;
    while (dse_sweep(d)) {
        if (d->pessimistic)
            return; /* what changed is not looked at over back edges */
        if (++sweeps > DSE_SWEEPS) {
            pass_count(d->env, "gave_up", 1);
            d->pessimistic = true;
            dse_solve(d);
            return;
        }
    }
}

static void dse_remove(struct dse *d) {
    struct func *f = d->f;
    for (uint32_t i = d->rpo.n; i-- > 0;) {
        block b = d->rpo.order[i];
        struct dse_state s;
        dse_at_end(d, b, &s);
        dse_load_state(d, &s);
        for (value v = ir_terminator(f, b), up; v.i; v = up) {
            up = ir_prev(f, v);
            if (dse_step(d, v) && dse_may(d, "stores_removed"))
                ir_remove(f, v);
        }
    }
}

/* ---- stores of what is there already ---- */

static void dse_note(struct dse *d, uint32_t id, value v) {
    d->dead_at[id] = ++d->time;
    d->known[id] = v;
}

static void dse_self_stores(struct dse *d, block b) {
    struct func *f = d->f;
    dse_restart(d);
    IR_FOR_INSNS_SAFE (f, b, v) {
        struct insn *in = ir_at(f, v);
        if (ir_clobbers(f, v))
            dse_restart(d);
        if (in->op != OP_LOAD && in->op != OP_STORE)
            continue;
        uint32_t id = d->cell_of[v.i] = dse_cell(d, in->a, in->imm);
        bool holds = dse_holds(d, d->dead_at[id], dse_root(d, id));
        if (in->op == OP_LOAD) {
            if (!holds)
                dse_note(d, id, v);
            continue;
        }
        value stored = ir_resolve(f, in->b);
        if (holds && same_value(d->known[id], stored) && dse_may(d, "self_stores_removed")) {
            ir_remove(f, v);
            continue;
        }
        d->time++;
        dse_kill_others(d, dse_root(d, id));
        dse_note(d, id, stored);
    }
}

bool pass_dse(struct func *f, struct pass_env *env) {
    struct dse d = {.f = f, .env = env, .rpo = cfg_rpo(f)};
    cells_init(&d.cells, f);
    cells_expect_all(&d.cells);
    d.cell_of = xcalloc(f->ninsn, sizeof *d.cell_of);
    d.in = xcalloc(f->nblock, sizeof *d.in);
    d.dirty = xcalloc(f->nblock, sizeof *d.dirty);
    IR_FOR_BLOCKS (f, b)
        dse_self_stores(&d, b);
    dse_solve(&d);
    dse_remove(&d);
    cfg_rpo_free(&d.rpo);
    cells_free(&d.cells);
    xfree(d.dead_at);
    xfree(d.read_at);
    xfree(d.known);
    xfree(d.cell_of);
    xfree(d.log);
    xfree(d.in);
    xfree(d.dirty);
    xfree(d.arena);
    return d.changed;
}
