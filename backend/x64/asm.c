/* asm.c: prints a unit as a program for the GNU assembler, in Intel syntax.
 *
 *   # prog.b:1:1:  ++++++[>+++++++++++<-]>.
 *   .Lb3:
 *           add     byte ptr [rbx + 1], 11          # 1:8 +++++++
 *
 * Instructions are those that the JIT would encode; only the widths of branches are left to the
 * assembler.  Tables as the run time wants them (runtime/standalone.c) follow, then the run time.
 */
#include "backend/x64/asm.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>

#include "backend/x64/x64.h"
#include "ir/ir.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

static const char standalone_text[] =
#include "runtime/standalone_text.h"
    ;

#define COMMENT_COLUMN 48

/* ---- one instruction ---- */

static void print_reg(struct text *out, unsigned reg, unsigned size) {
    if (size >= 16)
        text_fmt(out, "%cmm%u", size == 16 ? 'x' : size == 32 ? 'y' : 'z', reg);
    else
        text_put(out, x64_target.reg_name(reg, size));
}

static void print_number(struct text *out, int64_t v) {
    char digits[24];
    unsigned n = sizeof digits;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do
        digits[--n] = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    if (v < 0)
        digits[--n] = '-';
    text_add(out, digits + n, sizeof digits - n);
}

static void print_memory(struct text *out, const struct emitted *e, const struct x64_insn *in,
                         unsigned size) {
    static const char *const unit[] = {"byte",    "word",    "dword",  "qword",
                                       "xmmword", "ymmword", "zmmword"};
    if (in->mnemonic != ZYDIS_MNEMONIC_LEA) {
        text_put(out, unit[__builtin_ctz(size)]);
        text_put(out, " ptr ");
    }
    text_char(out, '[');
    if (in->base == X64_RIP) {
        text_put(out, "rip + ");
        emit_label_name(out, e, (uint32_t)in->disp);
    } else {
        print_reg(out, in->base, 8);
        if (in->index != X64_NO_REG) {
            text_put(out, " + ");
            print_reg(out, in->index, 8);
            text_put(out, "*");
            print_number(out, 1 << in->scale);
        }
        if (in->disp != 0) {
            text_put(out, in->disp < 0 ? " - " : " + ");
            print_number(out, in->disp < 0 ? -(int64_t)in->disp : in->disp);
        }
    }
    text_char(out, ']');
}

static void print_operand(struct text *out, const struct emitted *e, const struct x64_insn *in,
                          unsigned n) {
    unsigned size = x64_size(in->operand[n]);
    switch (x64_kind(in->operand[n])) {
    case X64_NONE:
        break;
    case X64_REG:
        print_reg(out, in->reg[n], size);
        break;
    case X64_MASK:
        text_fmt(out, "k%u", in->reg[n]);
        break;
    case X64_MEM:
        print_memory(out, e, in, size);
        break;
    case X64_IMM:
        print_number(out, in->imm);
        break;
    case X64_LABEL:
        emit_label_name(out, e, (uint32_t)in->disp);
        break;
    }
}

/* The usual names of the conditions that Zydis calls "not below". */
static const char *mnemonic_name(unsigned mnemonic) {
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_JNB:
        return "jae";
    case ZYDIS_MNEMONIC_JNBE:
        return "ja";
    case ZYDIS_MNEMONIC_JNL:
        return "jge";
    case ZYDIS_MNEMONIC_JNLE:
        return "jg";
    case ZYDIS_MNEMONIC_SETNB:
        return "setae";
    case ZYDIS_MNEMONIC_SETNBE:
        return "seta";
    case ZYDIS_MNEMONIC_CMOVNB:
        return "cmovae";
    case ZYDIS_MNEMONIC_CMOVNBE:
        return "cmova";
    default:
        return ZydisMnemonicGetString((ZydisMnemonic)mnemonic);
    }
}

void asm_print_insn(struct text *out, const struct emitted *e, const struct x64_insn *in) {
    const char *name = mnemonic_name(in->mnemonic);
    size_t len = strlen(name);
    text_add(out, name, len);
    if (x64_kind(in->operand[0]) == X64_NONE)
        return;
    text_add(out, "        ", len < 7 ? 8 - len : 1);
    for (unsigned n = 0; n < 3 && x64_kind(in->operand[n]) != X64_NONE; n++) {
        if (n > 0)
            text_put(out, ", ");
        print_operand(out, e, in, n);
    }
}

/* ---- the code ---- */

struct printer {
    struct text *out;
    const struct emitted *e;
    const struct asm_options *o;
    uint32_t site;  /* number of trap sites so far */
    uint32_t depth; /* loop depth of the present block */
    uint32_t src;   /* source shown beside the last instruction */
};

/* Fills the line that began at `start` up to the column of comments. */
static void pad(struct text *out, size_t start) {
    size_t len = out->len - start;
    text_fmt(out, "%*s", len < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - len) : 1, "");
}

static void print_code_label(struct printer *p, uint32_t label) {
    if (!p->e->used[label])
        return;
    const char *what = emit_label_meaning(p->e, label);
    bool is_block = emit_label_is_block(p->e, label);
    size_t start = p->out->len;
    emit_label_name(p->out, p->e, label);
    text_char(p->out, ':');
    uint32_t b = label - LABEL_BLOCKS;
    if (what != NULL || (is_block && p->e->m->block[b].depth != p->depth))
        pad(p->out, start);
    if (what != NULL) {
        text_fmt(p->out, "# %s", what);
    } else if (is_block && p->e->m->block[b].depth != p->depth) {
        p->depth = p->e->m->block[b].depth;
        text_fmt(p->out, "# loop depth %u", p->depth);
    }
    text_char(p->out, '\n');
}

static void print_insn(struct printer *p, const struct item *i) {
    struct text *out = p->out;
    source_view_show(p->o->source, out, "\n# ", i->src);
    size_t start = out->len;
    if (i->in.tag & ITEM_TRAP)
        text_fmt(out, ".Lt%u:", p->site++);
    size_t len = out->len - start;
    text_add(out, "        ", len < 8 ? 8 - len : 1);
    asm_print_insn(out, p->e, &i->in);
    if (i->src != p->src && source_view_knows(p->o->source, i->src)) {
        pad(out, start);
        text_put(out, "# ");
        source_view_place(p->o->source, out, i->src);
        p->src = i->src;
    }
    text_char(out, '\n');
}

static void print_code(struct printer *p) {
    text_put(p->out, "        .intel_syntax noprefix\n"
                     "        .text\n"
                     "        .p2align 4\n"
                     "        .globl  bf_program\n"
                     "        .hidden bf_program\n"
                     "        .type   bf_program, @function\n");
    for (uint32_t n = 0; n < p->e->code_end; n++) {
        const struct item *i = &p->e->item[n];
        switch ((enum item_kind)(i->in.tag & ITEM_KIND)) {
        case ITEM_INSN:
            print_insn(p, i);
            break;
        case ITEM_LABEL:
            print_code_label(p, (uint32_t)i->in.disp);
            break;
        case ITEM_ALIGN:
            text_fmt(p->out, "        .balign %d\n", i->in.disp);
            break;
        case ITEM_STRING:
            break;
        }
    }
    text_put(p->out, "bf_program_end:\n"
                     "        .size   bf_program, . - bf_program\n"
                     "        .set    bf_program_exit, .Lexit\n");
}

/* ---- data ---- */

static void print_ascii(struct text *out, const char *s, size_t len) {
    for (size_t at = 0; at < len;) {
        text_put(out, "        .ascii  \"");
        for (size_t end = at + 64 < len ? at + 64 : len; at < end; at++) {
            unsigned char c = (unsigned char)s[at];
            if (c == '"' || c == '\\')
                text_char(out, '\\');
            if (c >= ' ' && c < 0x7f)
                text_char(out, (char)c);
            else
                text_fmt(out, "\\%03o", c);
        }
        text_put(out, "\"\n");
    }
}

static void print_strings(struct printer *p) {
    const struct func *f = p->e->m->ir;
    text_put(p->out, "\n        .section .rodata\n");
    for (uint32_t n = p->e->code_end; n < p->e->n; n++) {
        const struct item *i = &p->e->item[n];
        if ((i->in.tag & ITEM_KIND) == ITEM_LABEL) {
            emit_label_name(p->out, p->e, (uint32_t)i->in.disp);
            text_put(p->out, ":\n");
        } else {
            const struct ir_string *s = &f->string[i->in.imm];
            text_fmt(p->out, "        .quad   %u\n", s->len);
            print_ascii(p->out, f->text + s->start, s->len);
        }
    }
}

/* ---- tables ---- */

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Every source offset an error or `#` may be about, sorted, each once; returns how many. */
static uint32_t collect_sources(const struct printer *p, uint32_t **list) {
    const struct mach *m = p->e->m;
    uint32_t n = 0, cap = 0, unique = 0;
    *list = NULL;
    for (uint32_t i = 0; i < m->ninsn; i++) {
        const struct minsn *mi = &m->insn[i];
        if ((mi->trap || mi->op == X64_TRAP || mi->op == X64_HASH) &&
            source_view_knows(p->o->source, mi->src)) {
            *list = xgrow(*list, &cap, (uint64_t)n + 1, sizeof **list);
            (*list)[n++] = mi->src;
        }
    }
    if (n > 0)
        qsort(*list, n, sizeof **list, by_number);
    for (uint32_t i = 0; i < n; i++)
        if (unique == 0 || (*list)[unique - 1] != (*list)[i])
            (*list)[unique++] = (*list)[i];
    return unique;
}

static uint32_t print_positions(struct printer *p) {
    uint32_t *src, n = collect_sources(p, &src);
    text_put(p->out, "        .balign 8\nbf_positions:\n");
    for (uint32_t i = 0; i < n; i++) {
        struct source_place where = p->o->source->place(p->o->source->context, src[i]);
        text_fmt(p->out, "        .long   %u, %u, %u\n", src[i], where.line, where.column);
    }
    xfree(src);
    return n;
}

static void print_sites(struct printer *p) {
    uint32_t site = 0;
    text_put(p->out, "bf_sites:\n");
    for (uint32_t n = 0; n < p->e->code_end; n++)
        if (p->e->item[n].in.tag & ITEM_TRAP)
            text_fmt(p->out, "        .long   .Lt%u - bf_program, %u\n", site++, p->e->item[n].src);
}

static void print_tables(struct printer *p) {
    const struct asm_options *o = p->o;
    const char *name = o->source != NULL ? o->source->name : "program";
    uint32_t positions = print_positions(p);
    print_sites(p);
    text_put(p->out, "        .balign 8\nbf_config:\n");
    text_fmt(p->out, "        .quad   %llu, %llu                # cells, guard beyond 2 GiB\n",
             (unsigned long long)o->tape_cells, (unsigned long long)o->drift);
    text_fmt(p->out,
             "        .long   %u, %u, %u, %u, %u         "
             "# cell bytes, eof, checks, sites, positions\n",
             p->e->m->cell_bits / 8, (unsigned)o->eof, (unsigned)o->checks, p->site, positions);
    text_put(p->out, "bf_name:\n");
    print_ascii(p->out, name, strlen(name));
    text_put(p->out, "        .byte   0\n");
}

void asm_print(struct text *out, const struct emitted *e, const struct asm_options *o) {
    struct printer p = {.out = out, .e = e, .o = o, .src = NO_SRC};
    print_code(&p);
    print_strings(&p);
    if (o->code_only)
        return;
    print_tables(&p);
    text_put(out, "\n        .att_syntax prefix\n# ---- run time ----\n");
    text_put(out, standalone_text);
}
