/* parse.c: reads the text form of the IR.
 *
 * Two sweeps over the lines.  The first makes a block for every label, since layout order is the
 * order of labels while branches lead anywhere.  The second adds the instructions through the
 * construction functions of ir.h.  A value may be named before it is defined (by a phi, or by a
 * block that stands earlier): such operands wait in a list until the end.
 *
 * Every step returns false after the first error, which is kept in the parser.
 */
#include "ir/parse.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/text.h"

/* ---- names ---- */

/* From the numbers in the text to indexes; no name is 0.  The numbers of a dense dump are smaller
 * than its text is long, so small ones index an array; others, as raw dumps may show, are hashed
 * (open addressing). */
struct name_map {
    uint32_t *few; /* by number */
    uint32_t nfew;
    struct name {
        uint32_t number, index;
    } * slot;
    uint32_t size, n;
};

static void names_init(struct name_map *m, size_t len) {
    m->nfew = len / 8 > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)(len / 8) + 64;
    m->few = xcalloc(m->nfew, sizeof *m->few); /* touched only where there are names */
}

static void names_free(struct name_map *m) {
    xfree(m->few);
    xfree(m->slot);
}

static struct name *names_slot(const struct name_map *m, uint32_t number) {
    uint32_t at = (number * UINT32_C(2654435769)) >> 7;
    for (at &= m->size - 1; m->slot[at].number != 0 && m->slot[at].number != number;)
        at = (at + 1) & (m->size - 1);
    return &m->slot[at];
}

static uint32_t names_find(const struct name_map *m, uint32_t number) {
    if (number < m->nfew)
        return m->few[number];
    return m->size == 0 ? 0 : names_slot(m, number)->index;
}

static void names_grow(struct name_map *m) {
    struct name_map old = *m;
    m->size = old.size ? old.size * 2 : 64;
    m->slot = xcalloc(m->size, sizeof *m->slot);
    for (uint32_t i = 0; i < old.size; i++)
        if (old.slot[i].number != 0)
            *names_slot(m, old.slot[i].number) = old.slot[i];
    xfree(old.slot);
}

static void names_add(struct name_map *m, uint32_t number, uint32_t index) {
    if (number < m->nfew) {
        m->few[number] = index;
        return;
    }
    if (2 * (uint64_t)++m->n > m->size)
        names_grow(m);
    *names_slot(m, number) = (struct name){number, index};
}

/* ---- the parser ---- */

/* An operand that named a value not yet defined. */
struct forward {
    value user;
    unsigned slot;
    uint32_t number;
    size_t at;
};

struct parser {
    const char *text;
    size_t len, at;
    struct func *f;
    block b; /* being filled; NO_BLOCK before the first label */
    struct name_map values, blocks;
    struct forward *forward;
    uint32_t nforward, forward_cap;
    /* What phis and from clauses say about predecessors; checked when all edges are there. */
    struct labels {
        value phi; /* NO_VALUE: a from clause */
        block home, from[2];
        size_t at;
    } * labels;
    uint32_t nlabels, labels_cap;
    struct ir_parse_error *error;
};

__attribute__((format(printf, 3, 4))) static bool fail_at(struct parser *p, size_t at,
                                                          const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    struct ir_parse_error *e = p->error;
    e->offset = at;
    e->line = e->col = 1;
    for (size_t i = 0; i < at && i < p->len; i++) {
        e->col++;
        if (p->text[i] == '\n') {
            e->line++;
            e->col = 1;
        }
    }
    vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    return false;
}

/* ---- characters and words ---- */

static char look(const struct parser *p) {
    return p->at < p->len ? p->text[p->at] : '\n';
}

static void skip_blanks(struct parser *p) {
    while (p->at < p->len && (p->text[p->at] == ' ' || p->text[p->at] == '\t'))
        p->at++;
}

/* At the end of a line's contents: a comment, a line end, or the end of the text. */
static bool at_line_end(struct parser *p) {
    skip_blanks(p);
    char c = look(p);
    return c == '\n' || c == ';' || c == '\r';
}

static void skip_line(struct parser *p) {
    const char *end = memchr(p->text + p->at, '\n', p->len - p->at);
    p->at = end ? (size_t)(end - p->text) + 1 : p->len;
}

static bool end_line(struct parser *p) {
    if (!at_line_end(p))
        return fail_at(p, p->at, "unexpected text at the end of the line");
    skip_line(p);
    return true;
}

/* Moves to the next line that says something; false at the end of the text. */
static bool next_line(struct parser *p) {
    while (p->at < p->len) {
        if (!at_line_end(p))
            return true;
        skip_line(p);
    }
    return false;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-';
}

/* Takes `word` if it stands here (and no longer word does). */
static bool accept_word(struct parser *p, const char *word) {
    skip_blanks(p);
    size_t n = strlen(word);
    if (p->len - p->at < n || memcmp(p->text + p->at, word, n) != 0)
        return false;
    if (p->at + n < p->len && is_word_char(word[n - 1]) && is_word_char(p->text[p->at + n]))
        return false;
    p->at += n;
    return true;
}

static bool accept_char(struct parser *p, char c) {
    skip_blanks(p);
    if (p->at >= p->len || p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

static bool expect_char(struct parser *p, char c) {
    return accept_char(p, c) || fail_at(p, p->at, "expected `%c`", c);
}

/* ---- numbers ---- */

static bool parse_unsigned(struct parser *p, uint64_t max, const char *what, uint64_t *n) {
    size_t start = p->at;
    if (!is_digit(look(p)))
        return fail_at(p, p->at, "expected %s", what);
    for (*n = 0; is_digit(look(p)); p->at++) {
        uint64_t digit = (uint64_t)(look(p) - '0');
        if (*n > (max - digit) / 10 || digit > max)
            return fail_at(p, start, "%s is too large", what);
        *n = *n * 10 + digit;
    }
    return true;
}

/* [-]digits between -2^63 and max. */
static bool parse_signed(struct parser *p, uint64_t max, const char *what, uint64_t *n) {
    skip_blanks(p);
    bool negative = accept_char(p, '-');
    if (!parse_unsigned(p, negative ? UINT64_C(1) << 63 : max, what, n))
        return false;
    if (negative)
        *n = -*n;
    return true;
}

/* A name: its letter was read, the number follows. */
static bool parse_name(struct parser *p, const char *what, uint32_t *number) {
    uint64_t n;
    if (!parse_unsigned(p, UINT32_MAX, what, &n))
        return false;
    *number = (uint32_t)n;
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character after a backslash; -1: none.  Moves *at past it. */
static int parse_escape(const char *text, size_t len, size_t *at) {
    if (*at >= len)
        return -1;
    switch (text[(*at)++]) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
        return '"';
    case '\\':
        return '\\';
    case 'x':
        if (len - *at < 2 || hex_digit(text[*at]) < 0 || hex_digit(text[*at + 1]) < 0)
            return -1;
        *at += 2;
        return hex_digit(text[*at - 2]) * 16 + hex_digit(text[*at - 1]);
    default:
        return -1;
    }
}

const char *ir_parse_string(const char *text, size_t len, size_t *at, struct text *out) {
    if (*at >= len || text[*at] != '"')
        return "expected a string";
    for (++*at; *at < len && text[*at] != '"' && text[*at] != '\n';) {
        size_t start = *at;
        int c = (unsigned char)text[(*at)++];
        if (c == '\\')
            c = parse_escape(text, len, at);
        if (c < 0) {
            *at = start;
            return "unknown escape in a string";
        }
        text_char(out, (char)c);
    }
    if (*at >= len || text[*at] != '"')
        return "the string does not end on its line";
    ++*at;
    return NULL;
}

/* ---- operands ---- */

/* A constant operand; it must fit the cell as a signed or an unsigned number. */
static bool parse_const(struct parser *p, value *v) {
    size_t start = p->at;
    uint64_t n;
    if (!parse_signed(p, UINT64_MAX, "a number", &n))
        return false;
    unsigned bits = p->f->cell_bits;
    bool negative = p->text[start] == '-' && n != 0;
    uint64_t most = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    if (negative ? -n > (most >> 1) + 1 : n > most)
        return fail_at(p, start, "the constant does not fit a cell of %u bits", bits);
    *v = ir_const(p->f, n);
    return true;
}

/* An operand as read: a value, or the number of one that is not defined yet. */
struct operand {
    value v;
    uint32_t number;
    size_t at;
};

static bool parse_operand(struct parser *p, struct operand *o) {
    skip_blanks(p);
    *o = (struct operand){.at = p->at};
    if (accept_char(p, '%')) {
        if (!parse_name(p, "a value's number", &o->number))
            return false;
        o->v.i = names_find(&p->values, o->number);
        return true;
    }
    if (look(p) != '-' && !is_digit(look(p)))
        return fail_at(p, p->at, "expected a value or a number");
    return parse_const(p, &o->v);
}

static value *operand_slot(struct func *f, value user, unsigned slot) {
    struct insn *in = ir_at(f, user);
    return slot == 0 ? &in->a : slot == 1 ? &in->b : &in->c;
}

/* Makes o operand `slot` of an instruction, now or when its value is defined. */
static void set_operand(struct parser *p, value user, unsigned slot, const struct operand *o) {
    *operand_slot(p->f, user, slot) = o->v;
    if (o->v.i != 0)
        return;
    p->forward = xgrow(p->forward, &p->forward_cap, (uint64_t)p->nforward + 1, sizeof *p->forward);
    p->forward[p->nforward++] = (struct forward){user, slot, o->number, o->at};
}

static bool parse_into(struct parser *p, value user, unsigned slot) {
    struct operand o;
    if (!parse_operand(p, &o))
        return false;
    set_operand(p, user, slot, &o);
    return true;
}

/* Fills in the operands that were named before their definition. */
static bool settle_forwards(struct parser *p) {
    for (uint32_t i = 0; i < p->nforward; i++) {
        const struct forward *w = &p->forward[i];
        uint32_t v = names_find(&p->values, w->number);
        if (v == 0)
            return fail_at(p, w->at, "%%%u is not defined", w->number);
        operand_slot(p->f, w->user, w->slot)->i = v;
    }
    return true;
}

static bool parse_block_ref(struct parser *p, block *b) {
    skip_blanks(p);
    size_t start = p->at;
    uint32_t number;
    if (!accept_char(p, 'b'))
        return fail_at(p, p->at, "expected a block");
    if (!parse_name(p, "a block's number", &number))
        return false;
    b->i = names_find(&p->blocks, number);
    return b->i != 0 || fail_at(p, start, "block b%u does not exist", number);
}

/* ` + 5`, ` - 5`, or nothing. */
static bool parse_offset(struct parser *p, int64_t *imm) {
    uint64_t n;
    bool negative = accept_char(p, '-');
    if (!negative && !accept_char(p, '+'))
        return true;
    skip_blanks(p);
    if (!parse_unsigned(p, INT64_MAX, "an offset", &n))
        return false;
    *imm = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool parse_mark(struct parser *p, struct insn *in) {
    if (accept_word(p, "no_trap(dom)"))
        in->trap = NO_TRAP_DOM;
    else if (accept_word(p, "no_trap(range)"))
        in->trap = NO_TRAP_RANGE;
    else
        return true;
    return (op_info[in->op].effects & EFF_TRAP) != 0 ||
           fail_at(p, p->at, "`%s` cannot trap", op_info[in->op].text);
}

static bool parse_outs(struct parser *p, value v) {
    struct text bytes = {0};
    skip_blanks(p);
    const char *wrong = ir_parse_string(p->text, p->len, &p->at, &bytes);
    if (!wrong)
        ir_at(p->f, v)->imm = ir_string(p->f, bytes.p, (uint32_t)bytes.len);
    text_free(&bytes);
    return !wrong || fail_at(p, p->at, "%s", wrong);
}

static bool parse_stride(struct parser *p, value v) {
    if (!expect_char(p, ','))
        return false;
    if (!accept_word(p, "step"))
        return fail_at(p, p->at, "expected `step`");
    skip_blanks(p);
    size_t start = p->at;
    uint64_t n;
    if (!parse_signed(p, INT32_MAX, "a stride", &n))
        return false;
    if ((int64_t)n < INT32_MIN)
        return fail_at(p, start, "a stride is too large");
    ir_at(p->f, v)->stride = (int32_t)(int64_t)n;
    return true;
}

/* `, left 5`, or nothing */
static bool parse_left(struct parser *p, value v) {
    if (!accept_char(p, ','))
        return true;
    if (!accept_word(p, "left"))
        return fail_at(p, p->at, "expected `left`");
    skip_blanks(p);
    size_t start = p->at;
    uint64_t n;
    if (!parse_signed(p, INT32_MAX, "a distance", &n))
        return false;
    if ((int64_t)n < 0)
        return fail_at(p, start, "a distance to the left is not negative");
    ir_at(p->f, v)->left = (uint32_t)n + 1;
    return true;
}

/* `, loop 17` */
static bool parse_loop(struct parser *p, value v) {
    if (!expect_char(p, ','))
        return false;
    if (!accept_word(p, "loop"))
        return fail_at(p, p->at, "expected `loop`");
    skip_blanks(p);
    size_t start = p->at;
    uint64_t n;
    if (!parse_signed(p, UINT32_MAX, "the number of a loop", &n))
        return false;
    if ((int64_t)n < 0)
        return fail_at(p, start, "loops are numbered from 0");
    ir_at(p->f, v)->loop = (uint32_t)n;
    return parse_left(p, v);
}

static bool parse_imm(struct parser *p, value v) {
    struct insn *in = ir_at(p->f, v);
    switch ((enum imm_kind)op_info[in->op].imm) {
    case IMM_NONE:
    case IMM_NUM:
        break;
    case IMM_OFF:
        return parse_offset(p, &in->imm) && parse_mark(p, in);
    case IMM_STR:
        return (op_info[in->op].a == KIND_NONE || expect_char(p, ',')) && parse_outs(p, v);
    case IMM_SCN:
        return parse_offset(p, &in->imm) && parse_stride(p, v) && parse_mark(p, ir_at(p->f, v));
    case IMM_LUP:
        return parse_offset(p, &in->imm) && parse_loop(p, v);
    }
    return true;
}

static bool parse_operands(struct parser *p, value v) {
    const struct op_info *info = &op_info[ir_at(p->f, v)->op];
    if (info->a != KIND_NONE && !parse_into(p, v, 0))
        return false;
    if (!parse_imm(p, v))
        return false;
    if (info->b != KIND_NONE && !(expect_char(p, ',') && parse_into(p, v, 1)))
        return false;
    return info->c == KIND_NONE || (expect_char(p, ',') && parse_into(p, v, 2));
}

/* ---- phis and the order of predecessors ---- */

static void add_labels(struct parser *p, struct labels l) {
    p->labels = xgrow(p->labels, &p->labels_cap, (uint64_t)p->nlabels + 1, sizeof *p->labels);
    p->labels[p->nlabels++] = l;
}

static bool parse_phi(struct parser *p, value v) {
    skip_blanks(p);
    struct labels l = {.phi = v, .home = p->b, .at = p->at};
    if (!parse_block_ref(p, &l.from[0]) || !parse_into(p, v, 0))
        return false;
    if (accept_char(p, ',') && (!parse_block_ref(p, &l.from[1]) || !parse_into(p, v, 1)))
        return false;
    add_labels(p, l);
    return true;
}

/* ` from b5, b4` of a label. */
static bool parse_from(struct parser *p) {
    if (!accept_word(p, "from"))
        return true;
    skip_blanks(p);
    struct labels l = {.home = p->b, .at = p->at};
    if (!parse_block_ref(p, &l.from[0]))
        return false;
    if (accept_char(p, ',') && !parse_block_ref(p, &l.from[1]))
        return false;
    add_labels(p, l);
    return true;
}

static void swap_preds(struct block_data *d) {
    block t = d->pred[0];
    d->pred[0] = d->pred[1];
    d->pred[1] = t;
}

static void swap_operands(struct insn *in) {
    value t = in->a;
    in->a = in->b;
    in->b = t;
}

/* Compares what a phi or a from clause says with the edges there are.  The first to speak about a
 * block sets the order of its predecessors; later phis may be written either way round. */
static bool settle_label(struct parser *p, const struct labels *l, bool first) {
    struct block_data *d = ir_block(p->f, l->home);
    bool same = same_block(l->from[0], d->pred[0]) && same_block(l->from[1], d->pred[1]);
    bool swapped = same_block(l->from[0], d->pred[1]) && same_block(l->from[1], d->pred[0]);
    if (!same && !swapped)
        return fail_at(p, l->at, "these are not the predecessors of the block");
    if (!same && first)
        swap_preds(d);
    else if (!same && l->phi.i)
        swap_operands(ir_at(p->f, l->phi));
    return true;
}

static bool settle_labels(struct parser *p) {
    block home = NO_BLOCK;
    for (uint32_t i = 0; i < p->nlabels; i++) {
        bool first = !same_block(home, p->labels[i].home);
        home = p->labels[i].home;
        if (!settle_label(p, &p->labels[i], first))
            return false;
    }
    return true;
}

/* ---- kinds of phis ---- */

static uint32_t set_of(uint32_t *set, uint32_t i) {
    while (set[i] != i) {
        set[i] = set[set[i]];
        i = set[i];
    }
    return i;
}

/* Puts phis that feed each other into one set, and gives the kind of an operand from outside to the
 * whole set. */
static void join_phi(struct func *f, value phi, value from, uint32_t *set, uint8_t *kind) {
    if (from.i == 0)
        return;
    uint32_t mine = set_of(set, phi.i);
    if (!ir_is(f, from, OP_PHI)) {
        kind[mine] = ir_at(f, from)->kind;
        return;
    }
    uint32_t its = set_of(set, from.i);
    if (kind[its] == KIND_NONE)
        kind[its] = kind[mine];
    set[mine] = its;
}

/* The text does not say what kind a phi has: it is that of its operands. */
static void infer_phi_kinds(struct parser *p) {
    struct func *f = p->f;
    uint32_t *set = xalloc(f->ninsn, sizeof *set);
    uint8_t *kind = xcalloc(f->ninsn, sizeof *kind);
    for (uint32_t i = 0; i < f->ninsn; i++)
        set[i] = i;
    for (uint32_t i = 0; i < p->nlabels; i++) {
        value phi = p->labels[i].phi;
        if (phi.i == 0)
            continue;
        join_phi(f, phi, ir_at(f, phi)->a, set, kind);
        join_phi(f, phi, ir_at(f, phi)->b, set, kind);
    }
    for (uint32_t i = 0; i < p->nlabels; i++) {
        value phi = p->labels[i].phi;
        if (phi.i == 0)
            continue;
        uint8_t k = kind[set_of(set, phi.i)];
        ir_at(f, phi)->kind = k != KIND_NONE ? k : KIND_CELL;
    }
    xfree(set);
    xfree(kind);
}

/* ---- terminators ---- */

static bool parse_target(struct parser *p, block *to) {
    skip_blanks(p);
    size_t at = p->at;
    if (!parse_block_ref(p, to))
        return false;
    return ir_block(p->f, *to)->npred < 2 || fail_at(p, at, "the block has a third predecessor");
}

static bool parse_jmp(struct parser *p, value *v) {
    block to;
    if (!parse_target(p, &to))
        return false;
    *v = ir_jmp(p->f, p->b, to, NO_SRC);
    return true;
}

static bool parse_br(struct parser *p, value *v) {
    struct operand cond;
    block yes, no;
    if (!parse_operand(p, &cond) || !expect_char(p, ',') || !parse_target(p, &yes) ||
        !expect_char(p, ','))
        return false;
    skip_blanks(p);
    size_t at = p->at;
    if (!parse_target(p, &no))
        return false;
    if (same_block(yes, no))
        return fail_at(p, at, "the two targets are the same block");
    *v = ir_br(p->f, p->b, cond.v, yes, no, NO_SRC);
    set_operand(p, *v, 0, &cond);
    return true;
}

/* ---- instructions ---- */

static bool parse_op(struct parser *p, enum op *op) {
    skip_blanks(p);
    size_t start = p->at;
    while (is_word_char(look(p)))
        p->at++;
    size_t n = p->at - start;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const char *text = op_info[i].text;
        if (strncmp(text, p->text + start, n) != 0 || text[n] != '\0')
            continue;
        *op = (enum op)i;
        if (i == OP_NOP || i == OP_COPY || i == OP_CONST)
            return fail_at(p, start, "`%s` is not written as an instruction", text);
        return true;
    }
    return fail_at(p, start, n == 0 ? "expected an operation" : "unknown operation");
}

static bool parse_body(struct parser *p, enum op op, value *v) {
    if (op == OP_JMP)
        return parse_jmp(p, v);
    if (op == OP_BR)
        return parse_br(p, v);
    *v = ir_append(p->f, p->b, op, NO_VALUE, NO_VALUE, 0, NO_SRC);
    return op == OP_PHI ? parse_phi(p, *v) : parse_operands(p, *v);
}

static bool parse_src(struct parser *p, value v) {
    uint64_t src;
    if (!accept_char(p, '@'))
        return true;
    if (!parse_unsigned(p, NO_SRC - 1, "a source offset", &src))
        return false;
    ir_at(p->f, v)->src = (uint32_t)src;
    return true;
}

/* `%N =`, if it stands here. */
static bool parse_result(struct parser *p, uint32_t *number) {
    skip_blanks(p);
    size_t start = p->at;
    *number = 0;
    if (!accept_char(p, '%'))
        return true;
    if (!parse_name(p, "a value's number", number))
        return false;
    if (*number == 0)
        return fail_at(p, start, "values count from 1");
    if (names_find(&p->values, *number) != 0)
        return fail_at(p, start, "%%%u is defined twice", *number);
    return expect_char(p, '=');
}

static bool has_result(enum op op) {
    return op == OP_PHI || op_info[op].result != KIND_NONE;
}

/* Instructions cannot follow a terminator: the construction functions would put them before it. */
static bool check_place(struct parser *p, size_t at) {
    if (p->b.i == 0)
        return fail_at(p, at, "an instruction before the first label");
    value last = ir_block(p->f, p->b)->last;
    if (last.i != 0 && ir_has(p->f, last, EFF_END))
        return fail_at(p, at, "an instruction behind the end of the block");
    return true;
}

static bool parse_insn(struct parser *p) {
    size_t start = p->at;
    uint32_t number;
    enum op op = OP_NOP;
    value v;
    if (!check_place(p, start) || !parse_result(p, &number) || !parse_op(p, &op))
        return false;
    if (has_result(op) != (number != 0))
        return fail_at(p, start,
                       has_result(op) ? "the result of `%s` needs a name" : "`%s` has no result",
                       op_info[op].text);
    if (!parse_body(p, op, &v) || !parse_src(p, v))
        return false;
    if (number != 0)
        names_add(&p->values, number, v.i);
    return end_line(p);
}

/* ---- labels ---- */

/* Does a label start here? */
static bool at_label(struct parser *p) {
    skip_blanks(p);
    return look(p) == 'b' && p->at + 1 < p->len && is_digit(p->text[p->at + 1]);
}

/* First sweep: a block for every label up to the closing brace. */
static bool make_blocks(struct parser *p) {
    size_t back = p->at;
    while (next_line(p) && look(p) != '}') {
        if (at_label(p)) {
            size_t start = p->at++;
            uint32_t number;
            if (!parse_name(p, "a block's number", &number))
                return false;
            if (number == 0)
                return fail_at(p, start, "blocks count from 1");
            if (names_find(&p->blocks, number) != 0)
                return fail_at(p, start, "b%u is defined twice", number);
            names_add(&p->blocks, number, ir_block_new(p->f, NO_BLOCK).i);
        }
        skip_line(p);
    }
    p->at = back;
    return true;
}

static bool parse_label(struct parser *p) {
    return parse_block_ref(p, &p->b) && parse_from(p) && expect_char(p, ':') && end_line(p);
}

/* ---- functions ---- */

static bool parse_cells(struct parser *p) {
    skip_blanks(p);
    size_t start = p->at;
    uint64_t bits;
    if (!parse_unsigned(p, 64, "a cell width", &bits))
        return false;
    if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
        return fail_at(p, start, "cells have 8, 16, 32 or 64 bits");
    p->f = ir_new((unsigned)bits);
    return true;
}

/* `program cells=8 tape=30000 strict {` */
static bool parse_header(struct parser *p) {
    if (!next_line(p))
        return fail_at(p, p->len, "expected `program` or `unit`");
    bool program = accept_word(p, "program");
    if (!program && !accept_word(p, "unit"))
        return fail_at(p, p->at, "expected `program` or `unit`");
    if (!accept_word(p, "cells="))
        return fail_at(p, p->at, "expected `cells=`");
    if (!parse_cells(p))
        return false;
    p->f->program = program;
    if (accept_word(p, "tape=")) {
        if (!parse_unsigned(p, UINT64_C(1) << 62, "a tape size", &p->f->tape_cells))
            return false;
    }
    p->f->strict = accept_word(p, "strict");
    return expect_char(p, '{') && end_line(p);
}

static bool parse_lines(struct parser *p) {
    while (next_line(p)) {
        if (look(p) == '}') {
            p->at++;
            return end_line(p);
        }
        if (!(at_label(p) ? parse_label(p) : parse_insn(p)))
            return false;
    }
    return fail_at(p, p->len, "expected `}`");
}

static bool parse_function(struct parser *p) {
    if (!parse_header(p) || !make_blocks(p))
        return false;
    if (p->f->entry.i == 0)
        return fail_at(p, p->at, "expected a label");
    if (!parse_lines(p))
        return false;
    if (next_line(p))
        return fail_at(p, p->at, "unexpected text behind the function");
    if (!settle_forwards(p) || !settle_labels(p))
        return false;
    infer_phi_kinds(p);
    return true;
}

struct func *ir_parse(const char *text, size_t len, struct ir_parse_error *error) {
    struct parser p = {.text = text, .len = len, .error = error};
    names_init(&p.values, len);
    names_init(&p.blocks, len);
    bool ok = parse_function(&p);
    names_free(&p.values);
    names_free(&p.blocks);
    xfree(p.forward);
    xfree(p.labels);
    if (ok)
        return p.f;
    ir_free(p.f);
    return NULL;
}
