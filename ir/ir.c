/* ir.c: construction and editing of IR functions.  The data structure is described in ir.h. */
#include "ir/ir.h"

#include <string.h>

#include "runtime/alloc.h"

#define ____  KIND_NONE
#define CELL  KIND_CELL
#define PTR   KIND_PTR
#define ___   IMM_NONE
#define OFF   IMM_OFF
#define NUM   IMM_NUM
#define STR   IMM_STR
#define SCN   IMM_SCN
#define LUP   IMM_LUP
#define PURE  EFF_PURE
#define COMM  EFF_COMM
#define READ  EFF_READ
#define WRITE EFF_WRITE
#define TRAP  EFF_TRAP
#define IO    EFF_IO
#define END   EFF_END
const struct op_info op_info[OP_COUNT] = {
#define OP(name, text, result, a, b, c, imm, effects, meaning)                                     \
    [OP_##name] = {text, result, a, b, c, imm, effects, meaning},
#include "ir/ops.def"
#undef OP
};
#undef ____
#undef CELL
#undef PTR
#undef ___
#undef OFF
#undef NUM
#undef STR
#undef SCN
#undef PURE
#undef COMM
#undef READ
#undef WRITE
#undef TRAP
#undef IO
#undef END

/* ---- functions ---- */

struct func *ir_new(unsigned cell_bits) {
    assert(cell_bits == 8 || cell_bits == 16 || cell_bits == 32 || cell_bits == 64);
    struct func *f = xcalloc(1, sizeof *f);
    f->cell_bits = cell_bits;
    f->insn_cap = 64;
    f->insn = xcalloc(f->insn_cap, sizeof *f->insn);
    f->next = xcalloc(f->insn_cap, sizeof *f->next);
    f->prev = xcalloc(f->insn_cap, sizeof *f->prev);
    f->home = xcalloc(f->insn_cap, sizeof *f->home);
    f->ninsn = 1;
    f->block_cap = 16;
    f->block = xcalloc(f->block_cap, sizeof *f->block);
    f->nblock = 1;
    f->const_size = 64;
    f->const_table = xcalloc(f->const_size, sizeof *f->const_table);
    return f;
}

void ir_free(struct func *f) {
    if (!f)
        return;
    xfree(f->insn);
    xfree(f->next);
    xfree(f->prev);
    xfree(f->home);
    xfree(f->block);
    xfree(f->const_table);
    xfree(f->string);
    xfree(f->text);
    xfree(f);
}

static void *copy_array(const void *p, uint32_t n, uint32_t cap, size_t size) {
    if (!p)
        return NULL;
    void *q = xalloc(cap, size);
    memcpy(q, p, n * size);
    return q;
}

void ir_drop_code(struct func *f) {
    xfree(f->insn);
    xfree(f->next);
    xfree(f->prev);
    xfree(f->home);
    xfree(f->block);
    xfree(f->const_table);
    f->insn = NULL;
    f->next = f->prev = f->const_table = NULL;
    f->home = NULL;
    f->block = NULL;
    f->ninsn = f->insn_cap = f->nblock = f->block_cap = f->const_size = 0;
    f->entry = NO_BLOCK;
}

struct func *ir_clone(const struct func *f) {
    struct func *g = xalloc(1, sizeof *g);
    *g = *f;
    g->insn = copy_array(f->insn, f->ninsn, f->insn_cap, sizeof *f->insn);
    g->next = copy_array(f->next, f->ninsn, f->insn_cap, sizeof *f->next);
    g->prev = copy_array(f->prev, f->ninsn, f->insn_cap, sizeof *f->prev);
    g->home = copy_array(f->home, f->ninsn, f->insn_cap, sizeof *f->home);
    g->block = copy_array(f->block, f->nblock, f->block_cap, sizeof *f->block);
    g->const_table = copy_array(f->const_table, f->const_size, f->const_size, sizeof(uint32_t));
    g->string = copy_array(f->string, f->nstring, f->string_cap, sizeof *f->string);
    g->text = copy_array(f->text, f->text_len, f->text_cap, 1);
    return g;
}

/* ---- values ---- */

static void grow_insns(struct func *f) {
    uint32_t cap = f->insn_cap;
    f->insn = xgrow(f->insn, &cap, (uint64_t)f->ninsn + 1, sizeof *f->insn);
    if (cap == f->insn_cap)
        return;
    f->insn_cap = cap;
    f->next = xrealloc(f->next, cap, sizeof *f->next);
    f->prev = xrealloc(f->prev, cap, sizeof *f->prev);
    f->home = xrealloc(f->home, cap, sizeof *f->home);
}

static void resize_insns(struct func *f, uint32_t n) {
    f->insn = xrealloc(f->insn, n, sizeof *f->insn);
    f->next = xrealloc(f->next, n, sizeof *f->next);
    f->prev = xrealloc(f->prev, n, sizeof *f->prev);
    f->home = xrealloc(f->home, n, sizeof *f->home);
    f->insn_cap = n;
}

void ir_reserve(struct func *f, uint32_t n) {
    if (n > f->insn_cap)
        resize_insns(f, n);
}

void ir_reserve_blocks(struct func *f, uint32_t n) {
    if (n <= f->block_cap)
        return;
    f->block = xrealloc(f->block, n, sizeof *f->block);
    f->block_cap = n;
}

void ir_trim(struct func *f) {
    uint64_t want = (uint64_t)f->ninsn + f->ninsn / 3 + 16;
    if (want < f->insn_cap)
        resize_insns(f, (uint32_t)want);
}

/* A new record in no block. */
static value new_insn(struct func *f, enum op op, enum kind kind, value a, value b, int64_t imm,
                      uint32_t src) {
    if (f->ninsn == f->insn_cap || ALLOC_MOVES)
        grow_insns(f);
    value v = {f->ninsn++};
    f->insn[v.i] = (struct insn){
        .op = (uint8_t)op, .kind = (uint8_t)kind, .a = a, .b = b, .src = src, .imm = imm};
    f->next[v.i] = f->prev[v.i] = 0;
    f->home[v.i] = NO_BLOCK;
    return v;
}

/* A new record in no block that is as `in`, operands included. */
static value copy_record(struct func *f, struct insn in) {
    value v = new_insn(f, (enum op)in.op, (enum kind)in.kind, in.a, in.b, in.imm, in.src);
    in.mark = 0;
    f->insn[v.i] = in;
    return v;
}

/* Finalizer of splitmix64: spreads nearby numbers over the table. */
static uint32_t hash64(uint64_t x) {
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    return (uint32_t)(x ^ (x >> 32));
}

static void const_insert(struct func *f, value v) {
    uint32_t mask = f->const_size - 1;
    uint32_t h = hash64(ir_const_of(f, v)) & mask;
    while (f->const_table[h] != 0)
        h = (h + 1) & mask;
    f->const_table[h] = v.i;
}

static void const_rehash(struct func *f, uint32_t size) {
    xfree(f->const_table);
    f->const_table = xcalloc(size, sizeof *f->const_table);
    f->const_size = size;
    for (uint32_t i = 1; i < f->ninsn; i++)
        if (f->insn[i].op == OP_CONST)
            const_insert(f, (value){i});
}

value ir_const(struct func *f, uint64_t imm) {
    imm = ir_wrap(f, imm);
    uint32_t mask = f->const_size - 1;
    for (uint32_t h = hash64(imm) & mask; f->const_table[h] != 0; h = (h + 1) & mask) {
        value v = {f->const_table[h]};
        if (ir_const_of(f, v) == imm)
            return v;
    }
    value v = new_insn(f, OP_CONST, KIND_CELL, NO_VALUE, NO_VALUE, (int64_t)imm, NO_SRC);
    if (2 * ++f->nconst > f->const_size)
        const_rehash(f, f->const_size * 2);
    else
        const_insert(f, v);
    return v;
}

uint32_t ir_string(struct func *f, const char *bytes, uint32_t len) {
    f->string = xgrow(f->string, &f->string_cap, (uint64_t)f->nstring + 1, sizeof *f->string);
    /* One more, so that an empty string has a place, too. */
    f->text = xgrow(f->text, &f->text_cap, (uint64_t)f->text_len + len + 1, 1);
    if (len > 0)
        memcpy(f->text + f->text_len, bytes, len);
    f->string[f->nstring] = (struct ir_string){f->text_len, len};
    f->text_len += len;
    return f->nstring++;
}

/* ---- order within blocks ---- */

/* Links v into b before `at`, or at the end when `at` is NO_VALUE. */
static void link_before(struct func *f, block b, value v, value at) {
    struct block_data *d = ir_block(f, b);
    value before = at.i ? ir_prev(f, at) : d->last;
    f->home[v.i] = b;
    f->next[v.i] = at.i;
    f->prev[v.i] = before.i;
    if (before.i)
        f->next[before.i] = v.i;
    else
        d->first = v;
    if (at.i)
        f->prev[at.i] = v.i;
    else
        d->last = v;
}

static void unlink_insn(struct func *f, value v) {
    struct block_data *d = ir_block(f, ir_home(f, v));
    value n = ir_next(f, v), p = ir_prev(f, v);
    if (p.i)
        f->next[p.i] = n.i;
    else
        d->first = n;
    if (n.i)
        f->prev[n.i] = p.i;
    else
        d->last = p;
    f->next[v.i] = f->prev[v.i] = 0;
    f->home[v.i] = NO_BLOCK;
}

static bool is_terminated(const struct func *f, block b) {
    value last = ir_block(f, b)->last;
    return last.i && ir_has(f, last, EFF_END);
}

value ir_append(struct func *f, block b, enum op op, value a, value v, int64_t imm, uint32_t src) {
    value n = new_insn(f, op, op_info[op].result, a, v, imm, src);
    link_before(f, b, n, is_terminated(f, b) ? ir_block(f, b)->last : NO_VALUE);
    return n;
}

value ir_append_copy(struct func *f, block b, value v) {
    value n = copy_record(f, *ir_at(f, v));
    link_before(f, b, n, is_terminated(f, b) ? ir_block(f, b)->last : NO_VALUE);
    return n;
}

value ir_before(struct func *f, value at, enum op op, value a, value v, int64_t imm, uint32_t src) {
    value n = new_insn(f, op, op_info[op].result, a, v, imm, src);
    link_before(f, ir_home(f, at), n, at);
    return n;
}

value ir_phi(struct func *f, block b, enum kind kind, value a, value v) {
    value n = new_insn(f, OP_PHI, kind, a, v, 0, NO_SRC);
    link_before(f, b, n, ir_block(f, b)->first);
    return n;
}

void ir_remove(struct func *f, value v) {
    unlink_insn(f, v);
    f->insn[v.i] = (struct insn){.op = OP_NOP, .src = NO_SRC};
    f->ndead++;
}

void ir_move_before(struct func *f, value v, value at) {
    unlink_insn(f, v);
    link_before(f, ir_home(f, at), v, at);
}

void ir_move_last(struct func *f, value v) {
    block b = ir_home(f, v);
    assert(!is_terminated(f, b));
    unlink_insn(f, v);
    link_before(f, b, v, NO_VALUE);
}

/* ---- replacing values ---- */

void ir_replace(struct func *f, value v, value with) {
    with = ir_resolve(f, with);
    assert(!same_value(v, with));
    unlink_insn(f, v);
    struct insn *in = ir_at(f, v);
    uint8_t kind = in->kind;
    *in = (struct insn){.op = OP_COPY, .kind = kind, .a = with, .src = NO_SRC};
    f->ncopy++;
    f->ndead++;
}

value ir_resolve_copy(struct func *f, value v) {
    value end = v;
    while (f->insn[end.i].op == OP_COPY)
        end = f->insn[end.i].a;
    while (!same_value(v, end)) {
        value up = f->insn[v.i].a;
        f->insn[v.i].a = end;
        v = up;
    }
    return end;
}

/* Resolves one operand.  A slot that is not in use holds 0, which is no COPY; so is insn[0]. */
static void settle_operand(struct func *f, value *o) {
    if (f->insn[o->i].op == OP_COPY)
        *o = ir_resolve(f, *o);
}

void ir_settle(struct func *f) {
    if (f->ncopy == 0)
        return;
    f->ncopy = 0;
    for (uint32_t i = 1; i < f->ninsn; i++) {
        struct insn *in = &f->insn[i];
        if (in->op == OP_COPY || in->op == OP_NOP || in->op == OP_CONST)
            continue;
        settle_operand(f, &in->a);
        settle_operand(f, &in->b);
        if (op_info[in->op].c != KIND_NONE) /* else it may be a stride */
            settle_operand(f, &in->c);
    }
    for (uint32_t i = 1; i < f->ninsn; i++)
        if (f->insn[i].op == OP_COPY)
            f->insn[i] = (struct insn){.op = OP_NOP, .src = NO_SRC};
}

uint32_t *ir_use_counts(struct func *f) {
    uint32_t *count = xcalloc(f->ninsn, sizeof *count);
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
                value *o = ir_operand(f, v, n);
                if (o)
                    count[ir_resolve(f, *o).i]++;
            }
        }
    }
    return count;
}

/* ---- blocks and edges ---- */

block ir_block_new(struct func *f, block after) {
    f->block = xgrow(f->block, &f->block_cap, (uint64_t)f->nblock + 1, sizeof *f->block);
    block b = {f->nblock++};
    memset(&f->block[b.i], 0, sizeof f->block[b.i]);
    if (!f->entry.i) {
        f->entry = f->last_block = b;
        return b;
    }
    if (!after.i)
        after = f->last_block;
    block next = f->block[after.i].next;
    f->block[b.i].prev = after;
    f->block[b.i].next = next;
    f->block[after.i].next = b;
    if (next.i)
        f->block[next.i].prev = b;
    else
        f->last_block = b;
    return b;
}

static unsigned add_pred(struct func *f, block to, block from) {
    struct block_data *d = ir_block(f, to);
    assert(d->npred < 2 && "a block has at most two predecessors");
    d->pred[d->npred] = from;
    return d->npred++;
}

value ir_jmp(struct func *f, block b, block to, uint32_t src) {
    assert(!is_terminated(f, b));
    struct block_data *d = ir_block(f, b);
    d->succ[0] = to;
    d->nsucc = 1;
    add_pred(f, to, b);
    return ir_append(f, b, OP_JMP, NO_VALUE, NO_VALUE, 0, src);
}

value ir_br(struct func *f, block b, value cond, block yes, block no, uint32_t src) {
    assert(!is_terminated(f, b) && !same_block(yes, no));
    struct block_data *d = ir_block(f, b);
    d->succ[0] = yes;
    d->succ[1] = no;
    d->nsucc = 2;
    add_pred(f, yes, b);
    add_pred(f, no, b);
    return ir_append(f, b, OP_BR, cond, NO_VALUE, 0, src);
}

value ir_ret(struct func *f, block b, value p, uint32_t src) {
    assert(!is_terminated(f, b));
    return ir_append(f, b, OP_RET, p, NO_VALUE, 0, src);
}

value ir_trap(struct func *f, block b, value p, int64_t k, uint32_t src) {
    assert(!is_terminated(f, b));
    return ir_append(f, b, OP_TRAP, p, NO_VALUE, k, src);
}

void ir_set_pred(struct func *f, block b, unsigned slot, block from) {
    struct block_data *d = ir_block(f, b);
    d->pred[slot] = from;
    if (d->npred <= slot)
        d->npred = (uint8_t)(slot + 1);
}

void ir_set_succ(struct func *f, block b, unsigned n, block to) {
    struct block_data *d = ir_block(f, b);
    d->succ[n] = to;
    if (d->nsucc <= n)
        d->nsucc = (uint8_t)(n + 1);
}

unsigned ir_pred_slot(const struct func *f, block from, block to) {
    const struct block_data *d = ir_block(f, to);
    assert(d->npred > 0);
    if (same_block(d->pred[0], from))
        return 0;
    assert(d->npred > 1 && same_block(d->pred[1], from));
    return 1;
}

/* Forgets predecessor slot n of b; its phis become copies of what is left. */
static void drop_pred(struct func *f, block b, unsigned n) {
    struct block_data *d = ir_block(f, b);
    assert(n < d->npred);
    bool last = d->npred == 1;
    if (n == 0)
        d->pred[0] = d->pred[1];
    d->pred[1] = NO_BLOCK;
    d->npred--;
    IR_FOR_INSNS_SAFE (f, b, v) {
        struct insn *in = ir_at(f, v);
        if (in->op != OP_PHI)
            break;
        if (n == 0)
            in->a = in->b;
        in->b = NO_VALUE;
        /* A phi of itself alone stands in a loop that nothing enters any more: the block is
         * unreachable, and ir_drop_unreachable takes it. */
        if (!last && !same_value(ir_resolve(f, in->a), v))
            ir_replace(f, v, in->a);
    }
}

void ir_cut_edge(struct func *f, block b, unsigned n) {
    struct block_data *d = ir_block(f, b);
    assert(d->nsucc == 2 && n < 2);
    block gone = d->succ[n];
    drop_pred(f, gone, ir_pred_slot(f, b, gone));
    d->succ[0] = d->succ[1 - n];
    d->succ[1] = NO_BLOCK;
    d->nsucc = 1;
    struct insn *end = ir_at(f, d->last);
    *end = (struct insn){.op = OP_JMP, .mark = end->mark, .src = end->src};
}

unsigned ir_redirect(struct func *f, block b, unsigned n, block to) {
    struct block_data *d = ir_block(f, b);
    assert(n < d->nsucc);
    block old = d->succ[n];
    drop_pred(f, old, ir_pred_slot(f, b, old));
    d->succ[n] = to;
    return add_pred(f, to, b);
}

block ir_split_edge(struct func *f, block b, unsigned n) {
    block to = ir_block(f, b)->succ[n];
    block mid = ir_block_new(f, b);
    unsigned slot = ir_pred_slot(f, b, to);
    ir_block(f, b)->succ[n] = mid;
    add_pred(f, mid, b);
    ir_block(f, to)->pred[slot] = mid;
    ir_block(f, mid)->succ[0] = to;
    ir_block(f, mid)->nsucc = 1;
    ir_append(f, mid, OP_JMP, NO_VALUE, NO_VALUE, 0, NO_SRC);
    return mid;
}

/* Takes a block out of the layout; its contents must be gone or moved. */
static void unlink_block(struct func *f, block b) {
    struct block_data *d = ir_block(f, b);
    assert(!same_block(b, f->entry));
    f->block[d->prev.i].next = d->next;
    if (d->next.i)
        f->block[d->next.i].prev = d->prev;
    else
        f->last_block = d->prev;
    *d = (struct block_data){.dead = true};
}

/* Makes the edges that left `from` leave `to`. */
static void move_edges(struct func *f, block from, block to) {
    struct block_data *s = ir_block(f, from), *d = ir_block(f, to);
    d->nsucc = s->nsucc;
    for (unsigned n = 0; n < s->nsucc; n++) {
        d->succ[n] = s->succ[n];
        struct block_data *t = ir_block(f, s->succ[n]);
        t->pred[ir_pred_slot(f, from, s->succ[n])] = to;
    }
    for (unsigned n = s->nsucc; n < 2; n++)
        d->succ[n] = NO_BLOCK;
}

void ir_merge(struct func *f, block b, block s) {
    struct block_data *d = ir_block(f, b), *e = ir_block(f, s);
    assert(d->nsucc == 1 && same_block(d->succ[0], s) && e->npred == 1 && !same_block(b, s));
    ir_remove(f, d->last);
    IR_FOR_INSNS_SAFE (f, s, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        ir_replace(f, v, ir_at(f, v)->a);
    }
    IR_FOR_INSNS (f, s, v)
        f->home[v.i] = b;
    if (d->last.i) {
        f->next[d->last.i] = e->first.i;
        f->prev[e->first.i] = d->last.i;
    } else {
        d->first = e->first;
    }
    d->last = e->last;
    move_edges(f, s, b);
    unlink_block(f, s);
}

block ir_split_block(struct func *f, value at) {
    block b = ir_home(f, at), s = ir_block_new(f, b);
    struct block_data *d = ir_block(f, b), *e = ir_block(f, s);
    value before = ir_prev(f, at);
    e->first = at;
    e->last = d->last;
    d->last = before;
    f->prev[at.i] = 0;
    if (before.i)
        f->next[before.i] = 0;
    else
        d->first = NO_VALUE;
    IR_FOR_INSNS (f, s, v)
        f->home[v.i] = s;
    move_edges(f, b, s);
    d = ir_block(f, b);
    d->succ[0] = d->succ[1] = NO_BLOCK;
    d->nsucc = 0;
    ir_jmp(f, b, s, NO_SRC);
    return s;
}

block ir_detour(struct func *f, value at, value cond, uint32_t src) {
    block top = ir_home(f, at), rest = ir_split_block(f, at), side = ir_block_new(f, top);
    ir_remove(f, ir_terminator(f, top));
    struct block_data *d = ir_block(f, top);
    d->succ[0] = NO_BLOCK;
    d->nsucc = 0;
    ir_block(f, rest)->npred = 0;
    ir_br(f, top, cond, side, rest, src);
    ir_jmp(f, side, rest, src);
    return side;
}

value ir_tape(struct func *f) {
    value first = ir_block(f, f->entry)->first;
    IR_FOR_INSNS (f, f->entry, v) {
        if (!ir_is(f, v, OP_TAPE))
            continue;
        if (!same_value(v, first))
            ir_move_before(f, v, first);
        return v;
    }
    return ir_before(f, first, OP_TAPE, NO_VALUE, NO_VALUE, 0, NO_SRC);
}

void ir_restart(struct func *f) {
    struct block_data *d = ir_block(f, f->entry);
    for (unsigned n = 0; n < d->nsucc; n++)
        drop_pred(f, d->succ[n], ir_pred_slot(f, f->entry, d->succ[n]));
    d->succ[0] = d->succ[1] = NO_BLOCK;
    d->nsucc = 0;
    IR_FOR_INSNS_SAFE (f, f->entry, v)
        if (!ir_is(f, v, OP_TAPE))
            ir_remove(f, v);
}

void ir_steal_edge(struct func *f, block b, block to) {
    struct block_data *d = ir_block(f, to);
    assert(d->npred <= 1);
    if (d->npred == 1) {
        struct block_data *old = ir_block(f, d->pred[0]);
        if (same_block(old->succ[0], to))
            old->succ[0] = old->succ[1];
        old->succ[1] = NO_BLOCK;
        old->nsucc--;
    }
    d->npred = 0;
    ir_jmp(f, b, to, NO_SRC);
}

/* Marks the reachable blocks; explicit stack. */
static bool *reachable_blocks(const struct func *f) {
    bool *seen = xcalloc(f->nblock, sizeof *seen);
    block *stack = xalloc(f->nblock, sizeof *stack);
    uint32_t n = 0;
    seen[f->entry.i] = true;
    stack[n++] = f->entry;
    while (n > 0) {
        const struct block_data *d = ir_block(f, stack[--n]);
        for (unsigned s = 0; s < d->nsucc; s++) {
            if (!seen[d->succ[s].i]) {
                seen[d->succ[s].i] = true;
                stack[n++] = d->succ[s];
            }
        }
    }
    xfree(stack);
    return seen;
}

static void drop_block(struct func *f, block b, const bool *seen) {
    struct block_data *d = ir_block(f, b);
    for (unsigned n = 0; n < d->nsucc; n++)
        if (seen[d->succ[n].i])
            drop_pred(f, d->succ[n], ir_pred_slot(f, b, d->succ[n]));
    IR_FOR_INSNS_SAFE (f, b, v)
        ir_remove(f, v);
    unlink_block(f, b);
}

bool ir_drop_unreachable(struct func *f) {
    bool *seen = reachable_blocks(f);
    bool any = false;
    for (block b = f->entry, next; b.i; b = next) {
        next = ir_block(f, b)->next;
        if (!seen[b.i]) {
            drop_block(f, b, seen);
            any = true;
        }
    }
    xfree(seen);
    return any;
}

/* ---- compaction ---- */

struct renumber {
    uint32_t *value, *block; /* old index -> new; 0: not (yet) kept */
};

static value renumbered_operand(struct func *to, const struct func *from, struct renumber *r,
                                value v) {
    if (r->value[v.i] == 0 && ir_is_const(from, v))
        r->value[v.i] = ir_const(to, ir_const_of(from, v)).i;
    return (value){r->value[v.i]};
}

static void compact_number(struct func *f, struct func *g, struct renumber *r) {
    IR_FOR_BLOCKS (f, b)
        r->block[b.i] = ir_block_new(g, NO_BLOCK).i;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            value n = copy_record(g, *ir_at(f, v)); /* with operands of f, as yet */
            link_before(g, (block){r->block[b.i]}, n, NO_VALUE);
            r->value[v.i] = n.i;
        }
    }
}

static void compact_fill(struct func *f, struct func *g, struct renumber *r) {
    IR_FOR_BLOCKS (f, b) {
        struct block_data *d = ir_block(f, b), *e = ir_block(g, (block){r->block[b.i]});
        e->nsucc = d->nsucc;
        e->npred = d->npred;
        for (unsigned n = 0; n < 2; n++) {
            e->succ[n].i = r->block[d->succ[n].i];
            e->pred[n].i = r->block[d->pred[n].i];
        }
        IR_FOR_INSNS (f, b, v) {
            value n = {r->value[v.i]};
            for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
                value *o = ir_operand(f, v, k);
                if (!o)
                    continue;
                value w = renumbered_operand(g, f, r, *o); /* may move g->insn */
                ir_set_operand(g, n, k, w);
            }
        }
    }
}

void ir_compact(struct func *f) {
    ir_settle(f);
    struct func *g = ir_new(f->cell_bits);
    uint32_t live = f->ninsn - f->ndead;
    ir_reserve(g, live + live / 8 + 16); /* and what the next passes add */
    uint32_t nblock = 1;
    IR_FOR_BLOCKS (f, b)
        nblock++;
    ir_reserve_blocks(g, nblock);
    struct renumber r = {xcalloc(f->ninsn, sizeof(uint32_t)), xcalloc(f->nblock, sizeof(uint32_t))};
    compact_number(f, g, &r);
    compact_fill(f, g, &r);
    xfree(r.value);
    xfree(r.block);
    g->program = f->program;
    g->strict = f->strict;
    g->simplified = f->simplified;
    g->tape_cells = f->tape_cells;
    g->string = f->string;
    g->nstring = f->nstring;
    g->string_cap = f->string_cap;
    g->text = f->text;
    g->text_len = f->text_len;
    g->text_cap = f->text_cap;
    f->string = NULL;
    f->text = NULL;
    struct func old = *f;
    *f = *g;
    *g = old;
    ir_free(g);
}
