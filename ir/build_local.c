/* build_local.c: IR from a parsed program, each block already simplified while it is built.
 *
 *   >+>++<+[->>+<<]>.   =>   b1: %1 = tape
 *                                %2 = load %1 + 1    %3 = add %2, 2     store %1 + 1, %3
 *                                %4 = load %1 + 2    %5 = add %4, 2     store %1 + 2, %5
 *                                br %3, b2, b3
 *                            b2: %6 = load %1 + 1    %7 = add %6, -1    store %1 + 1, %7
 *                                %8 = load %1 + 3    %9 = add %8, 1     store %1 + 3, %9
 *                                br %7, b2, b3
 *                            b3: %10 = load %1 + 2       out %10 ...           (no phi: balanced)
 *
 * What build.c makes is half as long again, and cutting it down costs several passes over
 * programs of many megabytes.  Here
 *  - moves only change the distance from the block's pointer to the current cell;
 *  - a balanced loop, which comes back to where it started, needs no phi of the pointer.  Which
 *    loops are balanced is found out before, in one sweep over the operations;
 *  - within a block, a cell is loaded once, at its first access, and stored once, at its last
 *    (value numbering on the way in: Braun et al., "Simple and Efficient Construction of Static
 *    Single Assignment Form", CC 2013, section 3.1);
 *  - behind a loop its cell is 0; a loop entered with a known 0 never runs, and is not built;
 *    `[-]` and the like, every fourth loop of many a program, are a 0 and no loop at all.
 *
 * Every cell is loaded where the source first accesses it, so an access that leaves the tape is
 * reported there.  --strict wants every single access: that is build.c's.
 * Tests: tests/unit/test_build.c. */
#include "ir/build_int.h"

#include "runtime/alloc.h"

/* Cells this near to the block's pointer are remembered; a program that goes further gets a new
 * pointer. */
#define NEAR 1023

/* What a cell holds at this point of the block. */
struct known {
    uint32_t epoch; /* that of local.epoch in which this is true */
    value v;
    value store; /* of v, if this block changed the cell */
    bool own;    /* v is an ADD that nothing but the store uses yet */
};

struct local_loop {
    block guard, body;
    value test;  /* of the guard */
    value start; /* the block's pointer where the loop was entered */
    int64_t off; /* and the cell's distance from it */
    value phi;   /* the body's pointer; NO_VALUE: balanced, it is the same */
};

struct local {
    struct func *f;
    const struct program *p;
    const struct build_options *o;
    uint32_t from;
    uint64_t *balanced; /* bit n: the loop that operation from + n opens is */
    block b;
    value base;        /* the block's pointer */
    int64_t off;       /* of the current cell from it */
    value before_move; /* the block's last instruction when the pointer last moved */
    uint32_t move_src;
    uint32_t epoch; /* when knowledge of cells began */
    struct known known[2 * NEAR + 1];
    struct local_loop *open;
    uint32_t nopen, open_cap;
};

/* ---- which loops are balanced ---- */

static bool is_balanced(const struct local *l, uint32_t open) {
    uint32_t n = open - l->from;
    return l->balanced[n / 64] >> (n % 64) & 1;
}

/* How many instructions an operation makes, at most; those of far moves come on top. */
static const uint8_t most_insns[] = {
    [BF_ADD] = 3,  [BF_IN] = 3,  [BF_OUT] = 2,  [BF_OPEN] = 4,          [BF_CLOSE] = 4,
    [BF_HASH] = 1, [BF_END] = 0, [BF_CALL] = 7, [BF_CALL_BALANCED] = 6,
};

/* A loop is balanced if its moves and those of all loops in it add up to 0, each by itself.
 * Besides, makes room for what will be built. */
static void find_balanced(struct local *l, uint32_t to) {
    struct sum {
        int64_t moved;
        uint32_t open;
        bool broken;
    } *stack = xalloc((size_t)l->p->max_depth + 1, sizeof *stack);
    uint32_t n = 0, loops = 0;
    uint64_t insns = 16;
    stack[0] = (struct sum){0};
    for (uint32_t i = l->from; i < to; i++) {
        const struct bf_op *op = &l->p->op[i];
        insns += most_insns[op->kind];
        if (op->kind == BF_MOVE) {
            stack[n].moved += op->arg;
        } else if (op->kind == BF_CALL || op->kind == BF_CALL_BALANCED) {
            stack[n].broken |= op->kind == BF_CALL;
            loops++;
        } else if (op->kind == BF_OPEN) {
            stack[++n] = (struct sum){.open = i - l->from};
            loops++;
        } else if (op->kind == BF_CLOSE) {
            struct sum s = stack[n--];
            if (s.moved == 0 && !s.broken)
                l->balanced[s.open / 64] |= UINT64_C(1) << (s.open % 64);
            else
                stack[n].broken = true;
        }
    }
    xfree(stack);
    if (insns < UINT32_MAX)
        ir_reserve(l->f, (uint32_t)insns);
    if (loops < UINT32_MAX / 2)
        ir_reserve_blocks(l->f, 2 * loops + 2);
}

/* ---- the cells of a block ---- */

/* The current cell's entry. */
static struct known *here(struct local *l) {
    return &l->known[l->off + NEAR];
}

static bool is_known(const struct local *l, const struct known *k) {
    return k->epoch == l->epoch;
}

/* Notes what the current cell holds. */
static struct known *note(struct local *l, value v) {
    struct known *k = here(l);
    *k = (struct known){.epoch = l->epoch, .v = v, .store = is_known(l, k) ? k->store : NO_VALUE};
    return k;
}

/* The value of the current cell, loaded if need be. */
static value get(struct local *l, uint32_t src) {
    struct known *k = here(l);
    if (!is_known(l, k))
        note(l, ir_append(l->f, l->b, OP_LOAD, l->base, NO_VALUE, l->off, src));
    k->own = false;
    return k->v;
}

/* The current cell becomes v.  Its only store goes behind the last change: near the load, as far as
 * can be, which suits selection. */
static struct known *put(struct local *l, value v, uint32_t src) {
    struct known *k = note(l, v);
    if (k->store.i) {
        ir_at(l->f, k->store)->b = v;
        ir_move_last(l->f, k->store);
    } else {
        k->store = ir_append(l->f, l->b, OP_STORE, l->base, v, l->off, src);
    }
    return k;
}

static void add(struct local *l, const struct bf_op *op) {
    struct func *f = l->f;
    struct known *k = here(l);
    uint64_t by = ir_wrap(f, (uint64_t)(int64_t)op->arg);
    if (is_known(l, k) && k->own) {
        value sum = ir_const(f, ir_const_of(f, ir_at(f, k->v)->b) + by);
        ir_at(f, k->v)->b = sum;
        return;
    }
    value old = get(l, op->src);
    if (by == 0)
        return; /* the load is its access */
    if (ir_is_const(f, old))
        put(l, ir_const(f, ir_const_of(f, old) + by), op->src);
    else
        put(l, ir_append(f, l->b, OP_ADD, old, ir_const(f, by), 0, op->src), op->src)->own = true;
}

static void input(struct local *l, const struct bf_op *op) {
    /* The old cell is loaded even when --eof overwrites it: the access must trap before a byte of
     * input is consumed. */
    value old = get(l, op->src);
    if (!l->o->eof_unchanged)
        old = ir_const(l->f, 0);
    put(l, ir_append(l->f, l->b, OP_IN, old, NO_VALUE, 0, op->src), op->src);
}

/* ---- pointers and loops ---- */

/* The current pointer as a value, from which the block goes on.  The move stands where the source
 * made it: what follows it can use the new pointer instead of the old one (rebase). */
static value settle_pointer(struct local *l) {
    struct func *f = l->f;
    if (l->off == 0)
        return l->base;
    value at = l->before_move.i ? ir_next(f, l->before_move) : ir_block(f, l->b)->first;
    if (at.i)
        l->base = ir_before(f, at, OP_MOVE, l->base, NO_VALUE, l->off, l->move_src);
    else
        l->base = ir_append(f, l->b, OP_MOVE, l->base, NO_VALUE, l->off, l->move_src);
    l->off = 0;
    l->epoch++;
    return l->base;
}

static void move(struct local *l, const struct bf_op *op) {
    l->off += op->arg;
    l->before_move = ir_block(l->f, l->b)->last;
    l->move_src = op->src;
    if (l->off < -NEAR || l->off > NEAR)
        settle_pointer(l);
}

/* From here on instructions go to b. */
static void enter(struct local *l, block b) {
    l->b = b;
    l->before_move = ir_block(l->f, b)->last;
    l->epoch++;
}

/* Does the loop only count its cell, by an odd number: until it is 0, then, whatever it was? */
static bool only_clears(const struct bf_op *op) {
    return op[1].kind == BF_ADD && (op[1].arg & 1) != 0 && op[2].kind == BF_CLOSE;
}

/* False: there is no loop to build. */
static bool open_loop(struct local *l, const struct bf_op *op, uint32_t i) {
    struct func *f = l->f;
    value test = get(l, op->src);
    if (ir_is_num(f, test, 0))
        return false;
    if (only_clears(op)) {
        put(l, ir_const(f, 0), op->src);
        return false;
    }
    struct local_loop loop = {.guard = l->b, .test = test, .body = ir_block_new(f, NO_BLOCK)};
    bool balanced = is_balanced(l, i);
    loop.start = balanced ? l->base : settle_pointer(l);
    loop.off = l->off;
    if (!balanced)
        l->base = loop.phi = ir_phi(f, loop.body, KIND_PTR, loop.start, NO_VALUE);
    l->open = xgrow(l->open, &l->open_cap, (uint64_t)l->nopen + 1, sizeof *l->open);
    l->open[l->nopen++] = loop;
    enter(l, loop.body);
    return true;
}

static void close_loop(struct local *l, const struct bf_op *op) {
    struct func *f = l->f;
    struct local_loop *loop = &l->open[--l->nopen];
    value test = get(l, op->src);
    value end = loop->phi.i ? settle_pointer(l) : NO_VALUE;
    block exit = ir_block_new(f, NO_BLOCK);
    ir_br(f, loop->guard, loop->test, loop->body, exit, l->p->op[op->arg].src);
    ir_br(f, l->b, test, loop->body, exit, op->src);
    l->base = loop->start;
    l->off = loop->off;
    if (loop->phi.i) {
        ir_at(f, loop->phi)->b = end;
        l->base = ir_phi(f, exit, KIND_PTR, loop->start, end);
    }
    enter(l, exit);
    note(l, ir_const(f, 0));
}

/* The loop that stands here belongs to another unit: its entry test, and a call.  It leaves a 0,
 * which the store says again to those who do not know the loop. */
static void call_loop(struct local *l, const struct bf_op *op) {
    struct func *f = l->f;
    value test = get(l, op->src);
    if (ir_is_num(f, test, 0))
        return;
    bool balanced = op->kind == BF_CALL_BALANCED;
    value start = balanced ? l->base : settle_pointer(l);
    block body = ir_block_new(f, NO_BLOCK), exit = ir_block_new(f, NO_BLOCK);
    ir_br(f, l->b, test, body, exit, op->src);
    value call = ir_append(f, body, OP_CALL, start, NO_VALUE, l->off, op->src);
    ir_at(f, call)->loop = (uint32_t)op->arg;
    ir_at(f, call)->left = l->p->left ? l->p->left[op - l->p->op] : 0;
    ir_append(f, body, OP_STORE, balanced ? start : call, ir_const(f, 0), l->off, op->src);
    ir_jmp(f, body, exit, op->src);
    if (!balanced)
        l->base = ir_phi(f, exit, KIND_PTR, start, call);
    enter(l, exit);
    note(l, ir_const(f, 0));
}

/* Builds operation i; returns the next one. */
static uint32_t build_op(struct local *l, uint32_t i) {
    const struct bf_op *op = &l->p->op[i];
    switch ((enum bf_kind)op->kind) {
    case BF_ADD:
        add(l, op);
        break;
    case BF_MOVE:
        move(l, op);
        break;
    case BF_IN:
        input(l, op);
        break;
    case BF_OUT: {
        value v = get(l, op->src);
        ir_append(l->f, l->b, OP_OUT, v, NO_VALUE, 0, op->src);
        break;
    }
    case BF_OPEN:
        if (!open_loop(l, op, i))
            return (uint32_t)op->arg + 1;
        break;
    case BF_CLOSE:
        close_loop(l, op);
        break;
    case BF_HASH:
        l->epoch++; /* it reads the tape: later stores stay later */
        ir_append(l->f, l->b, OP_HASH, l->base, NO_VALUE, l->off, op->src);
        break;
    case BF_CALL:
    case BF_CALL_BALANCED:
        call_loop(l, op);
        break;
    case BF_END:
        break;
    }
    return i + 1;
}

void build_local(struct func *f, const struct program *p, uint32_t from, uint32_t to,
                 const struct build_options *o) {
    struct local *l = xcalloc(1, sizeof *l);
    l->f = f;
    l->p = p;
    l->o = o;
    l->from = from;
    l->balanced = xcalloc((to - from) / 64 + 1, sizeof *l->balanced);
    find_balanced(l, to);
    enter(l, ir_block_new(f, NO_BLOCK));
    l->base = ir_append(f, l->b, OP_TAPE, NO_VALUE, NO_VALUE, 0, NO_SRC);
    for (uint32_t i = from; i < to;)
        i = build_op(l, i);
    assert(l->nopen == 0);
    value end = settle_pointer(l);
    ir_ret(f, l->b, end, NO_SRC);
    xfree(l->balanced);
    xfree(l->open);
    xfree(l);
}
