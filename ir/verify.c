/* verify.c: checks every invariant of ir.h but the marks (verify_marks.c).
 *
 * The checks stand in the order in which each can rely on those before: first the lists, so that
 * everything after may walk them; then edges; then single instructions; then dominance.
 * Every check returns false after the first broken rule.
 */
#include "ir/verify.h"

#include <stdarg.h>
#include <stdlib.h>

#include "ir/cfg.h"
#include "ir/print.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

struct verifier {
    const struct func *f;
    struct ir_names names;
    struct ir_fault *at;
    struct text *message;
    bool *listed;    /* by block: it is in the layout */
    uint32_t *order; /* by value: its place in its block, from 1; 0: it stands in none */
};

__attribute__((format(printf, 3, 4))) static bool fault_at(struct verifier *y, struct ir_fault at,
                                                           const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    text_vfmt(y->message, format, ap);
    va_end(ap);
    *y->at = at;
    return false;
}

#define IN_FUNC       ((struct ir_fault){NO_VALUE, NO_BLOCK})
#define IN_BLOCK(b)   ((struct ir_fault){NO_VALUE, b})
#define IN_INSN(y, v) ((struct ir_fault){v, (y)->f->home[(v).i]})

static bool is_block(const struct verifier *y, block b) {
    return b.i != 0 && b.i < y->f->nblock && y->listed[b.i];
}

/* ---- lists ---- */

static bool check_header(struct verifier *y) {
    const struct func *f = y->f;
    unsigned w = f->cell_bits;
    if (w != 8 && w != 16 && w != 32 && w != 64)
        return fault_at(y, IN_FUNC, "cells of %u bits", w);
    if (f->entry.i == 0 || f->entry.i >= f->nblock)
        return fault_at(y, IN_FUNC, "the function has no entry block");
    return true;
}

static bool check_layout(struct verifier *y) {
    const struct func *f = y->f;
    block before = NO_BLOCK;
    for (block b = f->entry; b.i != 0; b = f->block[b.i].next) {
        if (b.i >= f->nblock)
            return fault_at(y, IN_FUNC, "the layout leads to block %u, which does not exist", b.i);
        if (y->listed[b.i])
            return fault_at(y, IN_FUNC, "the layout of blocks runs in a circle");
        if (f->block[b.i].dead)
            return fault_at(y, IN_BLOCK(b), "a dead block in the layout");
        if (!same_block(f->block[b.i].prev, before))
            return fault_at(y, IN_BLOCK(b), "the block does not link back to the one before");
        y->listed[b.i] = true;
        before = b;
    }
    if (!same_block(before, f->last_block))
        return fault_at(y, IN_BLOCK(before), "last_block is not the last block");
    for (uint32_t i = 1; i < f->nblock; i++)
        if (!y->listed[i] && !f->block[i].dead)
            return fault_at(y, IN_FUNC, "block %u is neither in the layout nor dead", i);
    return true;
}

static bool check_list(struct verifier *y, block b) {
    const struct func *f = y->f;
    uint32_t before = 0, n = 0;
    for (uint32_t v = f->block[b.i].first.i; v != 0; v = f->next[v]) {
        if (v >= f->ninsn)
            return fault_at(y, IN_BLOCK(b),
                            "the list leads to instruction %u, which does not exist", v);
        if (y->order[v] != 0)
            return fault_at(y, IN_BLOCK(b), "instruction %u stands in two places", v);
        y->order[v] = ++n;
        if (!same_block(f->home[v], b))
            return fault_at(y, (struct ir_fault){{v}, b},
                            "the instruction's home is another block");
        if (f->prev[v] != before)
            return fault_at(y, (struct ir_fault){{v}, b},
                            "the instruction does not link back to the one before");
        before = v;
    }
    if (f->block[b.i].last.i != before)
        return fault_at(y, IN_BLOCK(b), "the block's last instruction is not the end of its list");
    return true;
}

static bool check_lists(struct verifier *y) {
    const struct func *f = y->f;
    IR_FOR_BLOCKS (f, b) {
        if (!check_list(y, b))
            return false;
    }
    for (uint32_t i = 1; i < f->ninsn; i++) {
        if (f->insn[i].op >= OP_COUNT)
            return fault_at(y, IN_FUNC, "instruction %u has no operation", i);
        if (y->order[i] == 0 && f->home[i].i != 0)
            return fault_at(y, IN_FUNC, "instruction %u is not in the list of its home", i);
        if (y->order[i] == 0 && f->insn[i].op != OP_CONST && f->insn[i].op != OP_NOP)
            return fault_at(y, IN_FUNC, "instruction %u (`%s`) stands in no block", i,
                            op_info[f->insn[i].op].text);
    }
    return true;
}

/* ---- constants ---- */

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Each number once: sorted, so that equal ones are neighbours. */
static bool check_distinct(struct verifier *y, uint64_t *number, uint32_t n) {
    qsort(number, n, sizeof *number, compare_numbers);
    for (uint32_t i = 1; i < n; i++)
        if (number[i] == number[i - 1])
            return fault_at(y, IN_FUNC, "the constant %llu exists twice",
                            (unsigned long long)number[i]);
    return true;
}

static bool check_const_table(struct verifier *y) {
    const struct func *f = y->f;
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->const_size; i++) {
        uint32_t v = f->const_table[i];
        if (v == 0)
            continue;
        if (v >= f->ninsn || f->insn[v].op != OP_CONST)
            return fault_at(y, IN_FUNC, "the table of constants holds %u, which is none", v);
        n++;
    }
    return n == f->nconst || fault_at(y, IN_FUNC, "the table of constants miscounts");
}

static bool check_consts(struct verifier *y) {
    const struct func *f = y->f;
    uint64_t *number = xalloc(f->ninsn, sizeof *number);
    uint32_t n = 0;
    bool ok = true;
    for (uint32_t i = 1; i < f->ninsn && ok; i++) {
        if (f->insn[i].op != OP_CONST)
            continue;
        uint64_t imm = (uint64_t)f->insn[i].imm;
        number[n++] = imm;
        if (f->insn[i].kind != KIND_CELL)
            ok = fault_at(y, IN_FUNC, "constant %u is not a cell", i);
        else if (imm != ir_wrap(f, imm))
            ok = fault_at(y, IN_FUNC, "constant %u is wider than a cell", i);
    }
    ok = ok && (n == f->nconst || fault_at(y, IN_FUNC, "a constant is not in the table"));
    ok = ok && check_distinct(y, number, n) && check_const_table(y);
    xfree(number);
    return ok;
}

/* ---- blocks and edges ---- */

static unsigned count_preds(const struct block_data *d, block from) {
    return (d->npred > 0 && same_block(d->pred[0], from)) +
           (d->npred > 1 && same_block(d->pred[1], from));
}

static bool has_succ(const struct block_data *d, block to) {
    return (d->nsucc > 0 && same_block(d->succ[0], to)) ||
           (d->nsucc > 1 && same_block(d->succ[1], to));
}

static unsigned succs_of(enum op op) {
    return op == OP_JMP ? 1 : op == OP_BR ? 2 : 0;
}

static bool check_end(struct verifier *y, block b) {
    const struct func *f = y->f;
    const struct block_data *d = ir_block(f, b);
    if (d->last.i == 0)
        return fault_at(y, IN_BLOCK(b), "the block is empty");
    if (!ir_has(f, d->last, EFF_END))
        return fault_at(y, IN_INSN(y, d->last), "the block does not end in a jmp, br, ret or trap");
    IR_FOR_INSNS (f, b, v) {
        if (!same_value(v, d->last) && ir_has(f, v, EFF_END))
            return fault_at(y, IN_INSN(y, v), "`%s` stands before the end of its block",
                            op_info[ir_at(f, v)->op].text);
    }
    if (d->nsucc != succs_of(ir_at(f, d->last)->op))
        return fault_at(y, IN_INSN(y, d->last), "a block with %u successors ends in `%s`", d->nsucc,
                        op_info[ir_at(f, d->last)->op].text);
    return true;
}

static bool check_succs(struct verifier *y, block b) {
    const struct block_data *d = ir_block(y->f, b);
    for (unsigned n = 0; n < 2; n++) {
        if (n >= d->nsucc && d->succ[n].i != 0)
            return fault_at(y, IN_BLOCK(b), "an unused successor is not cleared");
        if (n >= d->nsucc)
            continue;
        if (!is_block(y, d->succ[n]))
            return fault_at(y, IN_BLOCK(b), "successor %u is no block of the layout", n);
        if (count_preds(ir_block(y->f, d->succ[n]), b) != 1)
            return fault_at(y, IN_BLOCK(b),
                            "successor %u does not name the block once as predecessor", n);
    }
    if (d->nsucc == 2 && same_block(d->succ[0], d->succ[1]))
        return fault_at(y, IN_INSN(y, d->last), "the two successors are the same block");
    return true;
}

static bool check_preds(struct verifier *y, block b) {
    const struct block_data *d = ir_block(y->f, b);
    if (d->npred > 2)
        return fault_at(y, IN_BLOCK(b), "the block has more than two predecessors");
    for (unsigned n = 0; n < 2; n++) {
        if (n >= d->npred && d->pred[n].i != 0)
            return fault_at(y, IN_BLOCK(b), "an unused predecessor is not cleared");
        if (n >= d->npred)
            continue;
        if (!is_block(y, d->pred[n]))
            return fault_at(y, IN_BLOCK(b), "predecessor %u is no block of the layout", n);
        if (!has_succ(ir_block(y->f, d->pred[n]), b))
            return fault_at(y, IN_BLOCK(b), "predecessor %u does not lead here", n);
    }
    if (d->npred > 0 && same_block(b, y->f->entry))
        return fault_at(y, IN_BLOCK(b), "an edge leads into the entry block");
    return true;
}

static bool check_blocks(struct verifier *y) {
    IR_FOR_BLOCKS (y->f, b) {
        if (ir_block(y->f, b)->npred > 2 || ir_block(y->f, b)->nsucc > 2)
            return fault_at(y, IN_BLOCK(b), "the block has more than two edges on a side");
        if (!check_end(y, b) || !check_preds(y, b) || !check_succs(y, b))
            return false;
    }
    return true;
}

/* ---- single instructions ---- */

static const char *kind_name(unsigned kind) {
    return kind == KIND_CELL ? "a cell" : kind == KIND_PTR ? "a pointer" : "nothing";
}

static bool check_operand(struct verifier *y, value v, unsigned n, value o, unsigned kind) {
    const struct func *f = y->f;
    if (kind == KIND_NONE)
        return true;
    if (o.i == 0 || o.i >= f->ninsn)
        return fault_at(y, IN_INSN(y, v), "operand %u is missing", n + 1);
    if (!ir_is_const(f, o) && y->order[o.i] == 0)
        return fault_at(y, IN_INSN(y, v), "operand %u stands in no block", n + 1);
    if (ir_at(f, o)->kind != kind)
        return fault_at(y, IN_INSN(y, v), "operand %u is %s; `%s` needs %s", n + 1,
                        kind_name(ir_at(f, o)->kind), op_info[ir_at(f, v)->op].text,
                        kind_name(kind));
    return true;
}

static bool check_phi(struct verifier *y, value v) {
    const struct insn *in = ir_at(y->f, v);
    unsigned npred = ir_block(y->f, ir_home(y->f, v))->npred;
    value before = ir_prev(y->f, v);
    if (before.i != 0 && !ir_is(y->f, before, OP_PHI))
        return fault_at(y, IN_INSN(y, v), "a phi behind another instruction");
    if (in->kind != KIND_CELL && in->kind != KIND_PTR)
        return fault_at(y, IN_INSN(y, v), "a phi that is neither a cell nor a pointer");
    if (npred == 0)
        return fault_at(y, IN_INSN(y, v), "a phi in a block without predecessors");
    if (npred == 1 && in->b.i != 0)
        return fault_at(y, IN_INSN(y, v), "a phi of two values where there is one predecessor");
    return check_operand(y, v, 0, in->a, in->kind) &&
           (npred == 1 || check_operand(y, v, 1, in->b, in->kind));
}

static bool check_imm(struct verifier *y, value v) {
    const struct func *f = y->f;
    const struct insn *in = ir_at(f, v);
    if (in->op == OP_SCAN && in->stride == 0)
        return fault_at(y, IN_INSN(y, v), "a scan that does not move");
    if (op_info[in->op].imm != IMM_STR)
        return true;
    if (in->imm < 0 || in->imm >= f->nstring)
        return fault_at(y, IN_INSN(y, v), "string %lld does not exist", (long long)in->imm);
    const struct ir_string *s = &f->string[in->imm];
    if (s->start > f->text_len || s->len > f->text_len - s->start)
        return fault_at(y, IN_INSN(y, v), "string %lld is longer than its text",
                        (long long)in->imm);
    if (in->op == OP_LOOKUP && (f->cell_bits != 8 || s->len != 256))
        return fault_at(y, IN_INSN(y, v), "a table needs 256 bytes, and cells of 8 bits");
    return true;
}

static bool check_tape(struct verifier *y, value v, uint32_t *tapes) {
    if (!same_block(ir_home(y->f, v), y->f->entry))
        return fault_at(y, IN_INSN(y, v), "`tape` outside the entry block");
    if (++*tapes > 1)
        return fault_at(y, IN_INSN(y, v), "a second `tape`");
    return true;
}

static bool check_insn(struct verifier *y, value v) {
    const struct insn *in = ir_at(y->f, v);
    const struct op_info *info = &op_info[in->op];
    if (in->op == OP_NOP || in->op == OP_COPY || in->op == OP_CONST)
        return fault_at(y, IN_INSN(y, v), "`%s` in a block", info->text);
    if (in->trap > NO_TRAP_RANGE)
        return fault_at(y, IN_INSN(y, v), "unknown mark %u", in->trap);
    if (in->trap != MAY_TRAP && !(info->effects & EFF_TRAP))
        return fault_at(y, IN_INSN(y, v), "a no_trap mark on `%s`, which cannot trap", info->text);
    if (in->op == OP_PHI)
        return check_phi(y, v);
    if (in->kind != info->result)
        return fault_at(y, IN_INSN(y, v), "the result is %s; `%s` gives %s", kind_name(in->kind),
                        info->text, kind_name(info->result));
    return check_operand(y, v, 0, in->a, info->a) && check_operand(y, v, 1, in->b, info->b) &&
           check_operand(y, v, 2, in->c, info->c) && check_imm(y, v);
}

static bool check_insns(struct verifier *y) {
    uint32_t tapes = 0;
    IR_FOR_BLOCKS (y->f, b) {
        IR_FOR_INSNS (y->f, b, v) {
            if (!check_insn(y, v) || (ir_is(y->f, v, OP_TAPE) && !check_tape(y, v, &tapes)))
                return false;
        }
    }
    return true;
}

/* ---- dominance ---- */

struct reach {
    const struct rpo *rpo;
    const struct dom *dom;
};

/* Is o computed whenever the end of block b, or instruction `at` of it, is reached?  Where the
 * entry does not lead nothing is asked. */
static bool is_available(const struct verifier *y, const struct reach *r, value o, block b,
                         value at) {
    if (ir_is_const(y->f, o) || r->rpo->pos[b.i] == UINT32_MAX)
        return true;
    block home = ir_home(y->f, o);
    if (same_block(home, b))
        return at.i == 0 || y->order[o.i] < y->order[at.i];
    return r->rpo->pos[home.i] != UINT32_MAX && cfg_dominates(r->dom, home, b);
}

static bool check_uses(struct verifier *y, const struct reach *r, value v) {
    const struct insn *in = ir_at(y->f, v);
    const struct op_info *info = &op_info[in->op];
    const struct block_data *d = ir_block(y->f, ir_home(y->f, v));
    const value o[3] = {in->a, in->b, in->c};
    bool phi = in->op == OP_PHI;
    const bool used[3] = {phi || info->a, phi ? d->npred > 1 : info->b != 0, !phi && info->c};
    for (unsigned n = 0; n < (phi ? 2u : 3u); n++) {
        if (!used[n] ||
            is_available(y, r, o[n], phi ? d->pred[n] : ir_home(y->f, v), phi ? NO_VALUE : v))
            continue;
        fault_at(y, IN_INSN(y, v), phi ? "the operand " : "the use of ");
        ir_put_value(y->message, &y->names, o[n]);
        text_put(y->message,
                 phi ? " is not defined at the end of " : " is not dominated by its definition");
        if (phi)
            ir_put_block(y->message, &y->names, d->pred[n]);
        return false;
    }
    return true;
}

static bool check_dominance(struct verifier *y) {
    struct rpo rpo = cfg_rpo(y->f);
    struct dom dom = cfg_dom(y->f, &rpo);
    struct reach r = {&rpo, &dom};
    bool ok = true;
    for (block b = y->f->entry; b.i != 0 && ok; b = ir_block(y->f, b)->next)
        for (value v = ir_block(y->f, b)->first; v.i != 0 && ok; v = ir_next(y->f, v))
            ok = check_uses(y, &r, v);
    cfg_dom_free(&dom);
    cfg_rpo_free(&rpo);
    return ok;
}

/* ---- all of it ---- */

bool ir_check(const struct func *f, struct ir_fault *at, struct text *message) {
    struct verifier y = {.f = f, .at = at, .message = message};
    *at = IN_FUNC;
    y.listed = xcalloc(f->nblock, sizeof *y.listed);
    y.order = xcalloc(f->ninsn, sizeof *y.order);
    bool ok = check_header(&y) && check_layout(&y) && check_lists(&y);
    if (ok)
        y.names = ir_names_dense(f);
    ok = ok && check_consts(&y) && check_blocks(&y) && check_insns(&y) && check_dominance(&y) &&
         ir_check_marks(f, at, message);
    ir_names_free(&y.names);
    xfree(y.listed);
    xfree(y.order);
    return ok;
}

/* ---- the report ---- */

struct report {
    struct ir_fault at;
    const char *message;
};

static void report_below(struct text *out, const struct ir_names *n, block b, value v,
                         void *context) {
    const struct report *r = context;
    (void)n;
    if (same_value(v, r->at.v) && same_block(b, r->at.b))
        text_fmt(out, v.i ? "  ; ^ error: %s\n" : "; ^ error: %s\n", r->message);
}

bool ir_verify(const struct func *f, struct text *error) {
    struct text message = {0};
    struct report r = {0};
    bool ok = ir_check(f, &r.at, &message);
    if (!ok) {
        r.message = message.p;
        if (r.at.b.i == 0)
            text_fmt(error, "; error: %s\n", message.p);
        /* The whole of a large function would bury the message. */
        bool large = f->ninsn > 1000;
        ir_print(error, f,
                 &(struct ir_print_options){
                     .only = large ? r.at.b : NO_BLOCK, .below = report_below, .context = &r});
    }
    text_free(&message);
    return ok;
}
