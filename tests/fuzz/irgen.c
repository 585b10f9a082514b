/* irgen.c: bytes as a small structured language, from which IR is built with the builder's own
 * functions.
 *
 *   statement = operation | if { ... } else { ... } | loop { ... }
 *
 * Operands are chosen by a byte among the values that are available: those of the blocks above in
 * the dominator tree.  Where two ways meet, phis are made of what each way has.  So every string of
 * bytes is a valid function, small changes of the bytes are small changes of the function, and a
 * coverage-guided fuzzer gets to every corner (the idea is fuzz-graph's, of dstogov/ir). */
#include "tests/fuzz/irgen.h"

#define MAX_VALUES     64
#define MAX_DEPTH      6
#define MAX_STATEMENTS 400

struct values {
    value v[MAX_VALUES];
    unsigned n;
};

struct maker {
    struct func *f;
    struct byte_reader *r;
    block b; /* being filled */
    struct values cell, ptr;
    unsigned depth, statements;
    uint32_t src;
};

static void add_value(struct values *to, value v) {
    if (to->n < MAX_VALUES)
        to->v[to->n++] = v;
    else
        to->v[MAX_VALUES - 1] = v;
}

/* An available cell, or a constant. */
static value pick_cell(struct maker *m) {
    static const uint8_t odd[] = {0, 1, 2, 3, 4, 7, 8, 16, 31, 63, 127, 128};
    uint8_t c = next_byte(m->r);
    if (m->cell.n == 0 || c >= 192) {
        int64_t n = odd[c % sizeof odd];
        return ir_const(m->f, (uint64_t)(c & 32 ? -n : n));
    }
    return m->cell.v[c % m->cell.n];
}

static value pick_ptr(struct maker *m) {
    return m->ptr.v[next_byte(m->r) % m->ptr.n];
}

/* A number of cells: mostly few. */
static int64_t distance(struct maker *m) {
    uint8_t c = next_byte(m->r);
    int64_t n = c & 7;
    if (c >= 240)
        n = (int64_t)1 << (c & 15);
    return c & 8 ? -n : n;
}

static value append(struct maker *m, enum op op, value a, value b, int64_t imm) {
    return ir_append(m->f, m->b, op, a, b, imm, m->src++);
}

static void statements(struct maker *m, unsigned n);

/* At the head of a block where two ways meet: phis of what each has. */
static void join(struct maker *m, const struct maker *yes, const struct maker *no) {
    for (unsigned n = next_byte(m->r) % 4; n > 0; n--) {
        uint8_t a = next_byte(m->r), b = next_byte(m->r);
        if (a & 1) {
            value v = ir_phi(m->f, m->b, KIND_PTR, yes->ptr.v[(a >> 1) % yes->ptr.n],
                             no->ptr.v[b % no->ptr.n]);
            add_value(&m->ptr, v);
        } else if (yes->cell.n && no->cell.n) {
            value v = ir_phi(m->f, m->b, KIND_CELL, yes->cell.v[(a >> 1) % yes->cell.n],
                             no->cell.v[b % no->cell.n]);
            add_value(&m->cell, v);
        }
    }
}

static void make_if(struct maker *m) {
    value cond = pick_cell(m);
    block yes = ir_block_new(m->f, NO_BLOCK), no = ir_block_new(m->f, NO_BLOCK);
    ir_br(m->f, m->b, cond, yes, no, m->src++);
    struct maker then = *m, otherwise;
    then.b = yes;
    then.depth++;
    statements(&then, next_byte(m->r) % 6);
    otherwise = *m;
    otherwise.b = no;
    otherwise.depth++;
    otherwise.src = then.src;
    otherwise.statements = then.statements;
    statements(&otherwise, next_byte(m->r) % 4);
    m->src = otherwise.src;
    m->statements = otherwise.statements;
    m->b = ir_block_new(m->f, NO_BLOCK);
    ir_jmp(m->f, then.b, m->b, m->src++);
    ir_jmp(m->f, otherwise.b, m->b, m->src++);
    join(m, &then, &otherwise);
}

/* A loop with its test at the bottom; phis at its head start with what is available before. */
static void make_loop(struct maker *m) {
    block head = ir_block_new(m->f, NO_BLOCK), exit;
    value phi[4];
    unsigned nphi = next_byte(m->r) % 4;
    ir_jmp(m->f, m->b, head, m->src++);
    struct maker body = *m;
    body.b = head;
    body.depth++;
    for (unsigned n = 0; n < nphi; n++) {
        bool cell = next_byte(m->r) & 1;
        value first = cell ? pick_cell(m) : pick_ptr(m);
        phi[n] = ir_phi(m->f, head, cell ? KIND_CELL : KIND_PTR, first, NO_VALUE);
        add_value(cell ? &body.cell : &body.ptr, phi[n]);
    }
    statements(&body, 1 + next_byte(m->r) % 6);
    value cond = pick_cell(&body);
    for (unsigned n = 0; n < nphi; n++) {
        value next = ir_is(m->f, phi[n], OP_PHI) && ir_at(m->f, phi[n])->kind == KIND_CELL
                         ? pick_cell(&body)
                         : pick_ptr(&body);
        ir_at(m->f, phi[n])->b = next;
    }
    exit = ir_block_new(m->f, NO_BLOCK);
    ir_br(m->f, body.b, cond, head, exit, body.src++);
    unsigned depth = m->depth;
    *m = body; /* what the body made is available behind it */
    m->b = exit;
    m->depth = depth;
}

static void make_arithmetic(struct maker *m, unsigned k) {
    value a = pick_cell(m);
    value b = pick_cell(m);
    enum op op = (enum op)(OP_ADD + k % (OP_SELECT - OP_ADD + 1));
    value v = append(m, op, a, b, 0);
    if (op == OP_SELECT) {
        value c = pick_cell(m); /* may make a constant, which moves the records */
        ir_at(m->f, v)->c = c;
    }
    add_value(&m->cell, v);
}

static void make_outs(struct maker *m) {
    char s[8];
    uint32_t n = next_byte(m->r) % sizeof s;
    for (uint32_t i = 0; i < n; i++)
        s[i] = (char)next_byte(m->r);
    append(m, OP_OUTS, NO_VALUE, NO_VALUE, ir_string(m->f, s, n));
}

static void make_scan(struct maker *m) {
    static const int8_t stride[] = {1, -1, 2, -2, 3, -3, 4, -4, 7, -8, 9, 16, -17, 33};
    value p = pick_ptr(m);
    int64_t off = distance(m);
    value v = append(m, OP_SCAN, p, NO_VALUE, off);
    ir_at(m->f, v)->stride = stride[next_byte(m->r) % sizeof stride];
    add_value(&m->ptr, v);
}

static void statement(struct maker *m) {
    uint8_t k = next_byte(m->r);
    value p, v;
    switch (k % 16) {
    case 0:
    case 1:
    case 2:
        p = pick_ptr(m);
        add_value(&m->cell, append(m, OP_LOAD, p, NO_VALUE, distance(m)));
        break;
    case 3:
    case 4:
        p = pick_ptr(m);
        v = pick_cell(m);
        append(m, OP_STORE, p, v, distance(m));
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        make_arithmetic(m, k / 16u);
        break;
    case 9:
        p = pick_ptr(m);
        if (k & 16)
            add_value(&m->cell, append(m, OP_SAME, p, pick_ptr(m), distance(m)));
        else
            add_value(&m->ptr, append(m, OP_MOVE, p, NO_VALUE, distance(m)));
        break;
    case 10:
        make_scan(m);
        break;
    case 11:
        v = pick_cell(m);
        add_value(&m->cell, append(m, OP_IN, v, NO_VALUE, 0));
        break;
    case 12:
        if (k & 16)
            make_outs(m);
        else
            append(m, OP_OUT, pick_cell(m), NO_VALUE, 0);
        break;
    case 13:
    case 14:
        if (m->depth < MAX_DEPTH)
            make_if(m);
        break;
    default:
        if (m->depth < MAX_DEPTH)
            make_loop(m);
        break;
    }
}

static void statements(struct maker *m, unsigned n) {
    for (; n > 0 && m->statements < MAX_STATEMENTS && m->r->at < m->r->end; n--) {
        m->statements++;
        statement(m);
    }
}

struct func *irgen_make(struct byte_reader *r) {
    static const unsigned bits[] = {8, 16, 32, 64};
    uint8_t form = next_byte(r);
    struct func *f = ir_new(bits[form & 3]);
    f->program = (form & 4) != 0;
    f->tape_cells = 4096;
    struct maker m = {.f = f, .r = r, .b = ir_block_new(f, NO_BLOCK)};
    add_value(&m.ptr, append(&m, OP_TAPE, NO_VALUE, NO_VALUE, 0));
    statements(&m, MAX_STATEMENTS);
    ir_ret(f, m.b, pick_ptr(&m), m.src);
    return f;
}
