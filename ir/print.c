/* print.c: the text form of the IR, driven by the table of operations.
 *
 * Everything here also has to work on functions that the verifier rejects, since its message shows
 * them: lists are followed no longer than there are records, and indexes are checked.
 */
#include "ir/print.h"

#include <string.h>

#include "runtime/alloc.h"
#include "runtime/text.h"

/* ---- walking what may be broken ---- */

static bool is_block(const struct func *f, block b) {
    return b.i != 0 && b.i < f->nblock;
}

static bool is_value(const struct func *f, value v) {
    return v.i != 0 && v.i < f->ninsn;
}

/* Loops over blocks and instructions that end even when a list does not; `left` counts down. */
#define PRINT_BLOCKS(f, b, left)                                                                   \
    for (block b = (f)->entry; is_block(f, b) && (left)-- > 0; b = (f)->block[b.i].next)
#define PRINT_INSNS(f, b, v, left)                                                                 \
    for (value v = (f)->block[(b).i].first; is_value(f, v) && (left)-- > 0;                        \
         v = (value){(f)->next[v.i]})

/* The value a chain of copies stands for. */
static value through_copies(const struct func *f, value v) {
    for (uint32_t left = 1000; left > 0 && is_value(f, v) && f->insn[v.i].op == OP_COPY; left--)
        v = f->insn[v.i].a;
    return v;
}

/* ---- names ---- */

struct ir_names ir_names_raw(const struct func *f) {
    return (struct ir_names){.f = f};
}

struct ir_names ir_names_dense(const struct func *f) {
    struct ir_names n = {f, xcalloc(f->ninsn, sizeof(uint32_t)),
                         xcalloc(f->nblock, sizeof(uint32_t))};
    uint32_t values = 0, blocks = 0, left = f->nblock, insns_left = f->ninsn;
    PRINT_BLOCKS(f, b, left) {
        n.block[b.i] = ++blocks;
        PRINT_INSNS(f, b, v, insns_left) {
            if (f->insn[v.i].kind != KIND_NONE)
                n.value[v.i] = ++values;
        }
    }
    return n;
}

void ir_names_free(struct ir_names *n) {
    xfree(n->value);
    xfree(n->block);
    *n = (struct ir_names){0};
}

/* ---- small pieces ---- */

/* Dumps are mostly numbers, so these do not go through printf. */
static void put_unsigned(struct text *out, uint64_t n) {
    char digits[20];
    unsigned at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    text_add(out, digits + at, sizeof digits - at);
}

static uint64_t magnitude(int64_t n) {
    return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

static void put_signed(struct text *out, int64_t n) {
    if (n < 0)
        text_char(out, '-');
    put_unsigned(out, magnitude(n));
}

/* A cell constant as the signed number of the same bits. */
static int64_t signed_cell(const struct func *f, uint64_t n) {
    unsigned unused = f->cell_bits - 1 < 64 ? 64 - f->cell_bits : 0;
    return (int64_t)(n << unused) >> unused;
}

void ir_put_value(struct text *out, const struct ir_names *n, value v) {
    v = through_copies(n->f, v);
    if (v.i == 0) {
        text_put(out, "none");
        return;
    }
    if (is_value(n->f, v) && n->f->insn[v.i].op == OP_CONST) {
        put_signed(out, signed_cell(n->f, (uint64_t)n->f->insn[v.i].imm));
        return;
    }
    uint32_t name = n->value && is_value(n->f, v) ? n->value[v.i] : v.i;
    /* A value that stands in no block has no dense number; only broken functions show one. */
    text_put(out, name == 0 || !is_value(n->f, v) ? "%?" : "%");
    put_unsigned(out, name == 0 ? v.i : name);
}

void ir_put_block(struct text *out, const struct ir_names *n, block b) {
    uint32_t name = n->block && is_block(n->f, b) ? n->block[b.i] : b.i;
    text_put(out, name == 0 || !is_block(n->f, b) ? "b?" : "b");
    put_unsigned(out, name == 0 ? b.i : name);
}

static void put_escaped(struct text *out, unsigned char c) {
    switch (c) {
    case '\n':
        text_put(out, "\\n");
        break;
    case '\r':
        text_put(out, "\\r");
        break;
    case '\t':
        text_put(out, "\\t");
        break;
    case '"':
    case '\\':
        text_char(out, '\\');
        text_char(out, (char)c);
        break;
    default:
        if (c >= 0x20 && c < 0x7f)
            text_char(out, (char)c);
        else
            text_fmt(out, "\\x%02x", c);
        break;
    }
}

void ir_put_string(struct text *out, const char *bytes, size_t len) {
    text_char(out, '"');
    for (size_t i = 0; i < len; i++)
        put_escaped(out, (unsigned char)bytes[i]);
    text_char(out, '"');
}

/* ---- instructions ---- */

static void put_offset(struct text *out, int64_t imm) {
    if (imm == 0)
        return;
    text_put(out, imm < 0 ? " - " : " + ");
    put_unsigned(out, magnitude(imm));
}

static void put_mark(struct text *out, const struct insn *in) {
    switch ((enum trap_kind)in->trap) {
    case MAY_TRAP:
        break;
    case NO_TRAP_DOM:
        text_put(out, " no_trap(dom)");
        break;
    case NO_TRAP_RANGE:
        text_put(out, " no_trap(range)");
        break;
    }
}

static void put_outs(struct text *out, const struct func *f, int64_t n) {
    static const struct ir_string none;
    const struct ir_string *s = n >= 0 && n < f->nstring ? &f->string[n] : &none;
    if (s->len > f->text_len || s->start > f->text_len - s->len)
        s = &none;
    text_char(out, ' ');
    ir_put_string(out, f->text + s->start, s->len);
}

/* The constant part: offset (right behind the pointer), stride, or string. */
static void put_imm(struct text *out, const struct func *f, const struct insn *in) {
    switch ((enum imm_kind)op_info[in->op].imm) {
    case IMM_NONE:
        break;
    case IMM_OFF:
        put_offset(out, in->imm);
        break;
    case IMM_NUM:
        text_char(out, ' ');
        put_signed(out, signed_cell(f, (uint64_t)in->imm));
        break;
    case IMM_STR:
        if (op_info[in->op].a != KIND_NONE)
            text_char(out, ',');
        put_outs(out, f, in->imm);
        break;
    case IMM_SCN:
        put_offset(out, in->imm);
        text_put(out, ", step ");
        put_signed(out, in->stride);
        break;
    case IMM_LUP:
        put_offset(out, in->imm);
        text_fmt(out, ", loop %u", in->loop);
        if (in->left != 0)
            text_fmt(out, ", left %u", in->left - 1);
        break;
    }
    put_mark(out, in);
}

static void put_phi(struct text *out, const struct ir_names *n, value v, const struct insn *in) {
    block home = n->f->home[v.i];
    const value operand[2] = {in->a, in->b};
    for (unsigned k = 0; k < 2; k++) {
        block from = is_block(n->f, home) ? n->f->block[home.i].pred[k] : NO_BLOCK;
        if (operand[k].i == 0 && from.i == 0)
            continue;
        text_put(out, k == 0 ? " " : ", ");
        ir_put_block(out, n, from);
        text_char(out, ' ');
        ir_put_value(out, n, operand[k]);
    }
}

/* Operands in order; the constant part belongs to the first. */
static void put_operands(struct text *out, const struct ir_names *n, const struct insn *in) {
    const struct op_info *info = &op_info[in->op];
    if (info->a != KIND_NONE) {
        text_char(out, ' ');
        ir_put_value(out, n, in->a);
    }
    put_imm(out, n->f, in);
    if (info->b != KIND_NONE) {
        text_put(out, ", ");
        ir_put_value(out, n, in->b);
    }
    if (info->c != KIND_NONE) {
        text_put(out, ", ");
        ir_put_value(out, n, in->c);
    }
}

static void put_targets(struct text *out, const struct ir_names *n, value v, bool comma) {
    block home = n->f->home[v.i];
    if (!is_block(n->f, home))
        return;
    const struct block_data *d = &n->f->block[home.i];
    for (unsigned k = 0; k < d->nsucc && k < 2; k++) {
        text_put(out, comma ? ", " : " ");
        ir_put_block(out, n, d->succ[k]);
        comma = true;
    }
}

void ir_put_insn(struct text *out, const struct ir_names *n, value v) {
    const struct insn *in = &n->f->insn[v.i];
    if (in->op >= OP_COUNT) {
        text_fmt(out, "?op %u", in->op);
        return;
    }
    const struct op_info *info = &op_info[in->op];
    if (in->kind != KIND_NONE) {
        ir_put_value(out, n, v);
        text_put(out, " = ");
    }
    text_put(out, info->text);
    if (in->op == OP_PHI)
        put_phi(out, n, v, in);
    else
        put_operands(out, n, in);
    if (info->effects & EFF_END)
        put_targets(out, n, v, info->a != KIND_NONE);
    if (in->src != NO_SRC) {
        text_put(out, " @");
        put_unsigned(out, in->src);
    }
}

/* ---- functions ---- */

struct printer {
    struct text *out;
    struct ir_names names;
    const struct ir_print_options *o;
    /* The order in which reading the text back meets the edges into each block: its first
     * predecessor, when it has two.  Where that differs from pred[0] the text has to say so. */
    block *first_pred;
};

static void note_first_preds(struct printer *p) {
    const struct func *f = p->names.f;
    p->first_pred = xcalloc(f->nblock, sizeof(block));
    uint32_t left = f->nblock;
    PRINT_BLOCKS(f, b, left) {
        const struct block_data *d = &f->block[b.i];
        for (unsigned k = 0; k < d->nsucc && k < 2; k++)
            if (is_block(f, d->succ[k]) && p->first_pred[d->succ[k].i].i == 0)
                p->first_pred[d->succ[k].i] = b;
    }
}

/* Phis name the predecessors; a block without one shows their order only if it is unusual. */
static void print_pred_order(struct printer *p, block b) {
    const struct func *f = p->names.f;
    const struct block_data *d = &f->block[b.i];
    bool has_phi = is_value(f, d->first) && f->insn[d->first.i].op == OP_PHI;
    if (has_phi || d->npred != 2 || same_block(p->first_pred[b.i], d->pred[0]))
        return;
    text_put(p->out, " from ");
    ir_put_block(p->out, &p->names, d->pred[0]);
    text_put(p->out, ", ");
    ir_put_block(p->out, &p->names, d->pred[1]);
}

static void print_beside(struct printer *p, block b, value v) {
    if (!p->o->beside)
        return;
    size_t before = p->out->len;
    text_put(p->out, " ; ");
    size_t start = p->out->len;
    p->o->beside(p->out, &p->names, b, v, p->o->context);
    if (p->out->len == start)
        p->out->len = before;
}

static void print_line_end(struct printer *p, block b, value v) {
    print_beside(p, b, v);
    text_char(p->out, '\n');
    if (p->o->below)
        p->o->below(p->out, &p->names, b, v, p->o->context);
}

static void print_block(struct printer *p, block b, uint32_t *insns_left) {
    ir_put_block(p->out, &p->names, b);
    print_pred_order(p, b);
    text_char(p->out, ':');
    print_line_end(p, b, NO_VALUE);
    PRINT_INSNS(p->names.f, b, v, *insns_left) {
        text_put(p->out, "  ");
        ir_put_insn(p->out, &p->names, v);
        print_line_end(p, b, v);
    }
}

static void print_header(struct text *out, const struct func *f) {
    text_fmt(out, "%s cells=%u", f->program ? "program" : "unit", f->cell_bits);
    if (f->tape_cells)
        text_fmt(out, " tape=%llu", (unsigned long long)f->tape_cells);
    text_put(out, f->strict ? " strict {\n" : " {\n");
}

void ir_print(struct text *out, const struct func *f, const struct ir_print_options *o) {
    static const struct ir_print_options defaults;
    struct printer p = {.out = out, .o = o ? o : &defaults};
    p.names = p.o->raw_numbers ? ir_names_raw(f) : ir_names_dense(f);
    note_first_preds(&p);
    print_header(out, f);
    uint32_t left = f->nblock, insns_left = f->ninsn;
    PRINT_BLOCKS(f, b, left) {
        if (p.o->only.i == 0 || same_block(p.o->only, b))
            print_block(&p, b, &insns_left);
    }
    text_put(out, "}\n");
    xfree(p.first_pred);
    ir_names_free(&p.names);
}
