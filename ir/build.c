/* build.c: IR from a parsed program, straight and unoptimized.
 *
 *   +[>+<-]   =>   b1:  %1 = tape
 *                       %2 = load %1         %3 = add %2, 1     store %1, %3
 *                       %4 = load %1         br %4, b2, b3
 *                  b2:  %5 = phi b1 %1, b2 %9
 *                       %6 = move %5 + 1     ...                %9 = move ...
 *                       %12 = load %9        br %12, b2, b3
 *                  b3:  %13 = phi b1 %1, b2 %9
 *
 * Loops are rotated: one test guards the entry, its twin stands at the bottom.  So a body is only
 * entered when it runs at least once, an innermost loop is one block, and nothing has to rotate
 * loops later.  The only values that live across blocks are pointers; every cell is in memory.
 * Each access is MAY_TRAP with its own source position.
 *
 * Optimized code starts from build_local.c's version instead. */
#include "ir/build_int.h"
#include "runtime/alloc.h"

/* An open loop: what its closing bracket has to complete. */
struct open_loop {
    block guard, body, exit;
    value phi;   /* the body's pointer */
    value start; /* the pointer before the loop */
};

struct builder {
    struct func *f;
    const struct build_options *o;
    block b;   /* block being filled */
    value ptr; /* current pointer */
    struct open_loop *open;
    uint32_t nopen, open_cap;
};

static void build_touch(struct builder *bd, uint32_t src) {
    if (bd->o->strict)
        ir_append(bd->f, bd->b, OP_TOUCH, bd->ptr, NO_VALUE, 0, src);
}

static value build_load(struct builder *bd, uint32_t src) {
    build_touch(bd, src);
    return ir_append(bd->f, bd->b, OP_LOAD, bd->ptr, NO_VALUE, 0, src);
}

static void build_store(struct builder *bd, value v, uint32_t src) {
    ir_append(bd->f, bd->b, OP_STORE, bd->ptr, v, 0, src);
}

static void build_add(struct builder *bd, const struct bf_op *op) {
    value old = build_load(bd, op->src);
    value by = ir_const(bd->f, (uint64_t)(int64_t)op->arg);
    build_store(bd, ir_append(bd->f, bd->b, OP_ADD, old, by, 0, op->src), op->src);
}

static void build_in(struct builder *bd, const struct bf_op *op) {
    /* The old cell is loaded even when --eof overwrites it: the access must trap before a byte of
     * input is consumed. */
    value old = build_load(bd, op->src);
    if (!bd->o->eof_unchanged)
        old = ir_const(bd->f, 0);
    build_store(bd, ir_append(bd->f, bd->b, OP_IN, old, NO_VALUE, 0, op->src), op->src);
}

static void build_open(struct builder *bd, const struct bf_op *op) {
    struct func *f = bd->f;
    value test = build_load(bd, op->src);
    struct open_loop l = {.guard = bd->b, .start = bd->ptr};
    l.body = ir_block_new(f, NO_BLOCK);
    l.exit = NO_BLOCK; /* made at the closing bracket, so that layout order is source order */
    l.phi = ir_phi(f, l.body, KIND_PTR, bd->ptr, NO_VALUE);
    bd->open = xgrow(bd->open, &bd->open_cap, (uint64_t)bd->nopen + 1, sizeof *bd->open);
    bd->open[bd->nopen++] = l;
    /* The guard's br needs its exit block: until then the test waits in the phi's second slot. */
    ir_at(f, l.phi)->b = test;
    bd->b = l.body;
    bd->ptr = l.phi;
}

static void build_close(struct builder *bd, const struct bf_op *op, uint32_t open_src) {
    struct func *f = bd->f;
    struct open_loop *l = &bd->open[--bd->nopen];
    value guard_test = ir_at(f, l->phi)->b;
    value test = build_load(bd, op->src);
    l->exit = ir_block_new(f, NO_BLOCK);
    ir_br(f, l->guard, guard_test, l->body, l->exit, open_src);
    ir_br(f, bd->b, test, l->body, l->exit, op->src);
    ir_at(f, l->phi)->b = bd->ptr;
    value after = ir_phi(f, l->exit, KIND_PTR, l->start, bd->ptr);
    bd->b = l->exit;
    bd->ptr = after;
}

/* The loop that stands here belongs to another unit: its entry test, and a call.  It leaves a 0,
 * which the store says again to those who do not know the loop. */
static void build_call(struct builder *bd, const struct program *p, const struct bf_op *op) {
    struct func *f = bd->f;
    block top = bd->b, body = ir_block_new(f, NO_BLOCK), exit = ir_block_new(f, NO_BLOCK);
    ir_br(f, top, build_load(bd, op->src), body, exit, op->src);
    value call = ir_append(f, body, OP_CALL, bd->ptr, NO_VALUE, 0, op->src);
    ir_at(f, call)->loop = (uint32_t)op->arg;
    ir_at(f, call)->left = p->left ? p->left[op - p->op] : 0;
    value after = op->kind == BF_CALL_BALANCED ? bd->ptr : call;
    ir_append(f, body, OP_STORE, after, ir_const(f, 0), 0, op->src);
    ir_jmp(f, body, exit, op->src);
    bd->b = exit;
    if (!same_value(after, bd->ptr))
        bd->ptr = ir_phi(f, exit, KIND_PTR, bd->ptr, after);
}

static void build_op(struct builder *bd, const struct program *p, const struct bf_op *op) {
    switch ((enum bf_kind)op->kind) {
    case BF_ADD:
        build_add(bd, op);
        break;
    case BF_MOVE:
        bd->ptr = ir_append(bd->f, bd->b, OP_MOVE, bd->ptr, NO_VALUE, op->arg, op->src);
        break;
    case BF_IN:
        build_in(bd, op);
        break;
    case BF_OUT:
        ir_append(bd->f, bd->b, OP_OUT, build_load(bd, op->src), NO_VALUE, 0, op->src);
        break;
    case BF_OPEN:
        build_open(bd, op);
        break;
    case BF_CLOSE:
        build_close(bd, op, p->op[op->arg].src);
        break;
    case BF_HASH:
        ir_append(bd->f, bd->b, OP_HASH, bd->ptr, NO_VALUE, 0, op->src);
        break;
    case BF_CALL:
    case BF_CALL_BALANCED:
        build_call(bd, p, op);
        break;
    case BF_END:
        break;
    }
}

static void build_plain(struct func *f, const struct program *p, uint32_t from, uint32_t to,
                        const struct build_options *o) {
    /* An addition or a bracket makes three instructions, a move one: this is seldom exceeded, and
     * saves copying while the arrays grow. */
    if (to - from < UINT32_MAX / 4)
        ir_reserve(f, 3 * (to - from) + 16);
    struct builder bd = {.f = f, .o = o, .b = ir_block_new(f, NO_BLOCK)};
    bd.ptr = ir_append(f, bd.b, OP_TAPE, NO_VALUE, NO_VALUE, 0, NO_SRC);
    for (uint32_t i = from; i < to; i++)
        build_op(&bd, p, &p->op[i]);
    assert(bd.nopen == 0);
    ir_ret(f, bd.b, bd.ptr, NO_SRC);
    xfree(bd.open);
}

/* Ops [from, to) as one unit. */
static struct func *build(const struct program *p, uint32_t from, uint32_t to,
                          const struct build_options *o) {
    struct func *f = ir_new(o->cell_bits);
    f->strict = o->strict;
    f->tape_cells = o->tape_cells;
    f->simplified = o->simplify && !o->strict;
    if (f->simplified)
        build_local(f, p, from, to, o);
    else
        build_plain(f, p, from, to, o);
    ir_trim(f); /* what was reserved too much */
    return f;
}

struct func *ir_build_program(const struct program *p, const struct build_options *o) {
    struct func *f = build(p, 0, p->nop, o);
    f->program = true;
    return f;
}

struct func *ir_build_loop(const struct program *p, uint32_t open, const struct build_options *o) {
    assert(p->op[open].kind == BF_OPEN);
    return build(p, open, (uint32_t)p->op[open].arg + 1, o);
}
