/* mach.c: functions in machine form: storage and printing.
 *
 *   b1:                        ; %b2, depth 1, from b0 b1
 *     add      byte [v3], -1   ; rule add_mem_imm  %7 @12
 *     jnz      b1              ; rule br_flags  %9 @14
 *     jmp      b2
 *
 * Printing knows two things of a target: the roles of its operands, and optionally a function that
 * writes an instruction the way the target's assembler would. */
#include "backend/mach.h"

#include "runtime/alloc.h"
#include "runtime/text.h"

struct mach *mach_new(const struct target *t) {
    struct mach *m = xcalloc(1, sizeof *m);
    m->target = t;
    return m;
}

void mach_free(struct mach *m) {
    if (m == NULL)
        return;
    xfree(m->insn);
    xfree(m->block);
    xfree(m);
}

uint32_t mach_push(struct mach *m, struct minsn in) {
    m->insn = xgrow(m->insn, &m->insn_cap, (uint64_t)m->ninsn + 1, sizeof *m->insn);
    m->insn[m->ninsn] = in;
    return m->ninsn++;
}

void mach_reserve(struct mach *m, uint32_t n) {
    if (n <= m->insn_cap)
        return;
    m->insn = xrealloc(m->insn, n, sizeof *m->insn);
    m->insn_cap = n;
}

void mach_print_reg(struct text *out, const struct mach *m, mreg r, unsigned size) {
    if (r == NO_REG)
        text_char(out, '_');
    else if (m->allocated && m->target->reg_name != NULL)
        text_put(out, m->target->reg_name(r, size));
    else
        text_fmt(out, "%c%u", m->allocated ? 'r' : 'v', (unsigned)r);
}

/* Operands by their roles, then what else the instruction carries. */
static void print_generic(struct text *out, const struct mach *m, const struct minsn *in) {
    const struct mdesc *d = mach_desc(m, in);
    text_fmt(out, "%-12s", d->name);
    const char *comma = " ";
    for (unsigned n = 0; n < 3; n++) {
        if (d->role[n] == ROLE_NONE)
            continue;
        text_put(out, comma);
        mach_print_reg(out, m, in->r[n], in->size);
        comma = d->role[n] == ROLE_DEF ? " = " : ", ";
    }
    if (in->disp != 0)
        text_fmt(out, " disp %d", (int)in->disp);
    if (in->imm != 0)
        text_fmt(out, " imm %lld", (long long)in->imm);
    if (in->aux != 0)
        text_fmt(out, " aux %u", (unsigned)in->aux);
}

/* The label a branch or jump goes to. */
static void print_target(struct text *out, const struct mach *m, const struct mblock *b,
                         const struct minsn *in) {
    unsigned flags = mach_desc(m, in)->flags;
    if ((flags & MD_BRANCH) && b->nsucc > 0)
        text_fmt(out, " b%u", (unsigned)b->succ[0]);
    else if ((flags & MD_JUMP) && b->nsucc > 0)
        text_fmt(out, " b%u", (unsigned)b->succ[b->nsucc - 1]);
}

/* Where an instruction comes from, as a comment in column 44. */
static void print_origin(struct text *out, const struct mach *m, const struct minsn *in,
                         size_t start) {
    const struct target *t = m->target;
    if (in->rule == 0 && in->ir == 0 && in->src == UINT32_MAX && !in->trap)
        return;
    size_t width = out->len - start;
    text_fmt(out, "%*s;", width < 44 ? (int)(44 - width) : 1, "");
    if (in->rule != 0 && t->rule_name != NULL)
        text_fmt(out, " rule %s ", t->rule_name(in->rule));
    if (in->ir != 0)
        text_fmt(out, " %%%u", (unsigned)in->ir);
    if (in->src != UINT32_MAX)
        text_fmt(out, " @%u", (unsigned)in->src);
    if (in->trap)
        text_put(out, " may trap");
}

static void print_insn(struct text *out, const struct mach *m, const struct mblock *b,
                       const struct minsn *in) {
    size_t start = out->len;
    text_put(out, "  ");
    if (m->target->print != NULL)
        m->target->print(out, m, in);
    else
        print_generic(out, m, in);
    print_target(out, m, b, in);
    print_origin(out, m, in, start);
    text_char(out, '\n');
}

static void print_block(struct text *out, const struct mach *m, uint32_t n) {
    const struct mblock *b = &m->block[n];
    size_t start = out->len;
    text_fmt(out, "b%u:", (unsigned)n);
    text_fmt(out, "%*s; ", (int)(44 - (out->len - start)), "");
    if (b->ir_block != 0)
        text_fmt(out, "ir b%u, ", (unsigned)b->ir_block);
    text_fmt(out, "depth %u", (unsigned)b->depth);
    for (unsigned i = 0; i < b->npred; i++)
        text_fmt(out, "%s b%u", i == 0 ? ", from" : "", (unsigned)b->pred[i]);
    if (b->loop_end != 0)
        text_fmt(out, ", loop to b%u", (unsigned)b->loop_end);
    text_char(out, '\n');
    for (uint32_t i = b->first; i < b->end; i++)
        print_insn(out, m, b, &m->insn[i]);
}

void mach_print(struct text *out, const struct mach *m) {
    text_fmt(out, "; %s, %u-bit cells, %u blocks, ", m->target->name, m->cell_bits,
             (unsigned)m->nblock);
    if (m->allocated)
        text_fmt(out, "%u spill slots\n", (unsigned)m->nslots);
    else
        text_fmt(out, "%u virtual registers\n", (unsigned)m->nvreg);
    for (uint32_t n = 0; n < m->nblock; n++)
        print_block(out, m, n);
}
