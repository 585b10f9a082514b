/* emit.c: allocated machine code to a stream of x86-64 instructions.
 *
 *   MOVZX_RM1 r0 = rcx, r1 = rbx, disp = 2    =>   movzx ecx, byte ptr [rbx + 2]
 *   OUT       r1 = rax                        =>   call out
 *   JCC nz -> b3; JMP -> b4, b3 next          =>   jz .L4
 *
 * The operand column of x64.def says how a row's registers become operands.  Jumps to what follows
 * anyway disappear, branches are turned round to make that happen, and jumps to blocks that only
 * jump go straight to the end of the chain.  A test that repeats the one before it, as choices by
 * one condition do, is left out if the flags are still those.
 */
#include "backend/x64/emit.h"

#include <Zydis/Zydis.h>
#include <assert.h>

#include "backend/x64/x64.h"
#include "ir/ir.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"
#include "runtime/text.h"

/* ---- x64.def as the emitter reads it ---- */

struct operand_form {
    uint8_t kind; /* enum x64_operand_kind */
    uint8_t reg;  /* register operand, or the base of memory; SLOT */
    uint8_t index;
    uint8_t size; /* 0: that of the instruction */
};
#define SLOT     0xff
#define NO_INDEX 0xff

struct row {
    uint16_t mnemonic;
    struct operand_form operand[3];
};

static struct row row_table[X64_OP_COUNT];

static const struct {
    ZydisMnemonic mnemonic;
    const char *operands;
} row_source[X64_OP_COUNT] = {
#define X64(name, mnemonic, operands, ...) {ZYDIS_MNEMONIC_##mnemonic, operands},
#include "backend/x64/x64.def"
#undef X64
};

/* Reads one operand of the column; returns what follows it. */
static const char *read_form(struct operand_form *f, const char *p) {
    if (*p == 'i' || *p == 'L') {
        f->kind = *p == 'i' ? X64_IMM : X64_LABEL;
        p++;
    } else if (*p == '[') {
        f->kind = X64_MEM;
        f->reg = p[1] == 'r' ? SLOT : (uint8_t)(p[1] - '0');
        f->index = NO_INDEX;
        while (*p++ != ']')
            if (*p == '+')
                f->index = (uint8_t)(p[1] - '0');
    } else {
        f->kind = X64_REG;
        f->reg = (uint8_t)(*p++ - '0');
    }
    if (*p == ':') {
        f->size = (uint8_t)(p[1] - '0');
        p += 2;
    }
    return p;
}

static void read_rows(void) {
    if (row_table[X64_MOVE].mnemonic != 0)
        return;
    for (unsigned op = 0; op < X64_OP_COUNT; op++) {
        const char *p = row_source[op].operands;
        row_table[op].mnemonic = (uint16_t)row_source[op].mnemonic;
        for (unsigned n = 0; *p != '\0'; n++) {
            assert(n < 3);
            p = read_form(&row_table[op].operand[n], p);
            p += *p == ',';
        }
    }
}

/* The member of the family JZ, SETZ or CMOVZ for a condition. */
static uint16_t mnemonic_for(uint16_t family, unsigned cond) {
#define FAMILY(F)                                                                                  \
    {                                                                                              \
        ZYDIS_MNEMONIC_##F##O, ZYDIS_MNEMONIC_##F##NO, ZYDIS_MNEMONIC_##F##B,                      \
            ZYDIS_MNEMONIC_##F##NB, ZYDIS_MNEMONIC_##F##Z, ZYDIS_MNEMONIC_##F##NZ,                 \
            ZYDIS_MNEMONIC_##F##BE, ZYDIS_MNEMONIC_##F##NBE, ZYDIS_MNEMONIC_##F##S,                \
            ZYDIS_MNEMONIC_##F##NS, ZYDIS_MNEMONIC_##F##P, ZYDIS_MNEMONIC_##F##NP,                 \
            ZYDIS_MNEMONIC_##F##L, ZYDIS_MNEMONIC_##F##NL, ZYDIS_MNEMONIC_##F##LE,                 \
            ZYDIS_MNEMONIC_##F##NLE                                                                \
    }
    static const uint16_t jcc[16] = FAMILY(J), setcc[16] = FAMILY(SET), cmovcc[16] = FAMILY(CMOV);
#undef FAMILY
    switch (family) {
    case ZYDIS_MNEMONIC_JZ:
        return jcc[cond & 15];
    case ZYDIS_MNEMONIC_SETZ:
        return setcc[cond & 15];
    case ZYDIS_MNEMONIC_CMOVZ:
        return cmovcc[cond & 15];
    default:
        return family;
    }
}

/* ---- adding items ---- */

struct item *emit_item(struct emitted *e, enum item_kind kind) {
    if (e->n == e->cap)
        e->item = xgrow(e->item, &e->cap, (uint64_t)e->n + 1, sizeof *e->item);
    struct item *i = &e->item[e->n++];
    *i = (struct item){.in = insn_of(0), .src = NO_SRC};
    i->in.tag = (uint8_t)kind;
    return i;
}

static void add_operand(struct emitted *e, struct x64_insn *in, unsigned n, struct operand o) {
    insn_operand(in, n, o);
    if (o.base == X64_RIP || x64_kind(o.what) == X64_LABEL)
        e->used[o.disp] = true;
}

void emit0(struct emitted *e, unsigned mnemonic) {
    emit_item(e, ITEM_INSN)->in.mnemonic = (uint16_t)mnemonic;
}

void emit1(struct emitted *e, unsigned mnemonic, struct operand a) {
    emit0(e, mnemonic);
    add_operand(e, &e->item[e->n - 1].in, 0, a);
}

void emit2(struct emitted *e, unsigned mnemonic, struct operand a, struct operand b) {
    emit1(e, mnemonic, a);
    add_operand(e, &e->item[e->n - 1].in, 1, b);
}

void emit3(struct emitted *e, unsigned mnemonic, struct operand a, struct operand b,
           struct operand c) {
    emit2(e, mnemonic, a, b);
    add_operand(e, &e->item[e->n - 1].in, 2, c);
}

void emit_place(struct emitted *e, uint32_t label) {
    const struct x64_insn *last = e->n > 0 ? &e->item[e->n - 1].in : NULL;
    if (last != NULL && last->mnemonic == ZYDIS_MNEMONIC_JMP && last->disp == (int32_t)label)
        e->n--; /* a jump to what follows it */
    emit_item(e, ITEM_LABEL)->in.disp = (int32_t)label;
}

/* ---- one instruction ---- */

/* The state of the translation. */
struct emitter {
    struct emitted *e;
    const struct mach *m;
    uint32_t *real; /* of each block: itself, or where its only instruction, a jump, leads to */
    uint8_t *align; /* of each block, in bytes; 0 if it is not the head of an innermost loop */
    /* What the flags are of, in the block: a register tested at this size; 0: not known. */
    unsigned tested_size;
    mreg tested;
};

static void apply_form(struct x64_insn *in, unsigned n, struct operand_form f,
                       const struct minsn *mi) {
    unsigned size = f.size != 0 ? f.size : mi->size;
    in->operand[n] = x64_operand((enum x64_operand_kind)f.kind, size);
    if (f.kind == X64_REG) {
        in->reg[n] = (uint8_t)mi->r[f.reg];
    } else if (f.kind == X64_IMM) {
        in->imm = x64_imm(mi->imm, size);
    } else if (f.kind == X64_MEM) {
        in->base = f.reg == SLOT ? X64_RSP : (uint8_t)mi->r[f.reg];
        in->disp = f.reg == SLOT ? 16 + 8 * mi->disp : mi->disp;
        if (f.index != NO_INDEX) {
            in->index = (uint8_t)mi->r[f.index];
            in->scale = (uint8_t)mi->aux;
        }
    }
}

/* Loading a constant into eax clears the upper half of rax, in fewer bytes than the wide form. */
static void shorten_constant(struct x64_insn *in) {
    if (in->mnemonic == ZYDIS_MNEMONIC_MOV && in->operand[0] == x64_operand(X64_REG, 8) &&
        in->operand[1] == x64_operand(X64_IMM, 8) && in->imm == (uint32_t)in->imm) {
        in->operand[0] = x64_operand(X64_REG, 4);
        in->operand[1] = x64_operand(X64_IMM, 4);
        in->imm = (int32_t)in->imm;
    }
}

static struct x64_insn translate(const struct minsn *mi) {
    const struct row *row = &row_table[mi->op];
    struct x64_insn in = insn_of(mnemonic_for(row->mnemonic, mi->cond));
    for (unsigned n = 0; n < 3 && row->operand[n].kind != X64_NONE; n++)
        apply_form(&in, n, row->operand[n], mi);
    shorten_constant(&in);
    return in;
}

/* [rsp + 8], the argument of stubs, takes the source position. */
static void pass_source(struct emitted *e, uint32_t src) {
    emit2(e, ZYDIS_MNEMONIC_MOV, op_mem(X64_RSP, 8, 4), op_imm((int32_t)src, 4));
}

static void emit_outs(struct emitted *e, int64_t string) {
    emit2(e, ZYDIS_MNEMONIC_LEA, op_reg(X64_RAX, 8), op_data(e->first_string + (uint32_t)string));
    emit1(e, ZYDIS_MNEMONIC_CALL, op_label(LABEL_OUTS));
}

static void emit_pseudo(struct emitted *e, const struct minsn *mi) {
    switch (mi->op) {
    case X64_ENTRY:
        break;
    case X64_RET:
        emit1(e, ZYDIS_MNEMONIC_JMP, op_label(LABEL_EXIT));
        break;
    case X64_TRAP:
        pass_source(e, mi->src);
        emit1(e, ZYDIS_MNEMONIC_JMP, op_label(LABEL_TRAP));
        break;
    case X64_OUT:
        emit1(e, ZYDIS_MNEMONIC_CALL, op_label(LABEL_OUT));
        break;
    case X64_OUTS:
        emit_outs(e, mi->imm);
        break;
    case X64_TABLE:
        emit2(e, ZYDIS_MNEMONIC_LEA, op_reg(mi->r[0], 8),
              op_data(e->first_string + (uint32_t)mi->imm));
        break;
    case X64_IN:
        emit1(e, ZYDIS_MNEMONIC_CALL, op_label(LABEL_IN));
        break;
    case X64_CALL:
        emit2(e, ZYDIS_MNEMONIC_MOV, op_reg(X64_RDX, 4), op_imm((int32_t)mi->imm, 4));
        emit1(e, ZYDIS_MNEMONIC_CALL, op_label(LABEL_CALL));
        break;
    case X64_SCAN:
        emit1(e, ZYDIS_MNEMONIC_CALL, op_label(emit_scan_label(e, mi->imm)));
        break;
    case X64_HASH:
        pass_source(e, mi->src);
        emit1(e, ZYDIS_MNEMONIC_CALL, op_label(LABEL_HASH));
        break;
    default:
        bug("emit: no code for %s", x64_op_name(mi->op));
    }
}

static void emit_insn(struct emitter *x, uint32_t i) {
    struct emitted *e = x->e;
    const struct minsn *mi = &x->m->insn[i];
    uint32_t first = e->n;
    if (row_table[mi->op].mnemonic == ZYDIS_MNEMONIC_INVALID) {
        emit_pseudo(e, mi);
    } else {
        struct item *item = emit_item(e, ITEM_INSN);
        item->in = translate(mi);
        item->in.tag = mi->trap ? ITEM_TRAP : 0;
    }
    for (uint32_t n = first; n < e->n; n++) {
        e->item[n].src = mi->src;
        e->item[n].from = i + 1;
    }
}

/* ---- tests of what was tested ---- */

static bool is_test(const struct minsn *mi) {
    return mi->op == X64_TEST_RR && mi->r[1] == mi->r[2];
}

/* Do the flags say this already?  Choices by one condition come together, each with its test. */
static bool is_tested(const struct emitter *x, const struct minsn *mi) {
    return is_test(mi) && x->tested_size == mi->size && x->tested == mi->r[1];
}

static void follow_flags(struct emitter *x, const struct minsn *mi) {
    const struct mdesc *d = mach_desc(x->m, mi);
    if (is_test(mi)) {
        x->tested = mi->r[1];
        x->tested_size = mi->size;
        return;
    }
    bool changed = (d->flags & MD_SETS_FLAGS) || mi->op == X64_SWAP;
    for (unsigned n = 0; n < 3; n++)
        changed |= (d->role[n] == ROLE_DEF || d->role[n] == ROLE_TEMP) && mi->r[n] == x->tested;
    if (changed)
        x->tested_size = 0;
}

/* ---- jumps ---- */

/* Follows a chain of blocks that only jump, and shortens it. */
static uint32_t real_target(uint32_t *real, uint32_t b) {
    while (real[b] != b)
        b = real[b] = real[real[b]];
    return b;
}

/* A jump of a block to itself, or back to itself by other empty blocks, stays a block. */
static void find_real_targets(struct emitter *x) {
    const struct mach *m = x->m;
    for (uint32_t b = 0; b < m->nblock; b++)
        x->real[b] = b;
    for (uint32_t b = 0; b < m->nblock; b++) {
        const struct mblock *mb = &m->block[b];
        if (mb->end == mb->first + 1 && m->insn[mb->first].op == X64_JMP)
            x->real[b] = real_target(x->real, mb->succ[mb->nsucc - 1]);
    }
    for (uint32_t b = 0; b < m->nblock; b++)
        x->real[b] = real_target(x->real, b);
}

#define TIGHT_BLOCKS 2

/* Loops whose blocks all have the depth of their head are innermost.  Tight ones, which are
 * fetched anew each cycle or two, begin where what is fetched at once does; others would pay more
 * for the padding in front, where they are entered often, than they gain. */
static void find_inner_loops(struct emitter *x) {
    const struct mach *m = x->m;
    uint32_t depth_from = 0; /* blocks depth_from .. b have the depth of b */
    for (uint32_t b = 0; b < m->nblock; b++) {
        const struct mblock *mb = &m->block[b];
        if (b > 0 && m->block[b - 1].depth != mb->depth)
            depth_from = b;
        for (unsigned n = 0; n < mb->nsucc; n++)
            if (mb->succ[n] <= b && mb->succ[n] >= depth_from)
                x->align[mb->succ[n]] = b - mb->succ[n] < TIGHT_BLOCKS ? 32 : 16;
    }
}

static void emit_branch(struct emitter *x, uint32_t i, unsigned cond, uint32_t target) {
    emit1(x->e, mnemonic_for(ZYDIS_MNEMONIC_JZ, cond), op_label(LABEL_BLOCKS + target));
    x->e->item[x->e->n - 1].src = x->m->insn[i].src;
    x->e->item[x->e->n - 1].from = i + 1;
}

static void emit_jump(struct emitter *x, uint32_t i, uint32_t target) {
    emit1(x->e, ZYDIS_MNEMONIC_JMP, op_label(LABEL_BLOCKS + target));
    x->e->item[x->e->n - 1].src = x->m->insn[i].src;
    x->e->item[x->e->n - 1].from = i + 1;
}

/* The branch i and the jump after it, when block `next` follows. */
static void emit_two_way(struct emitter *x, const struct mblock *mb, uint32_t i, uint32_t next) {
    uint32_t yes = x->real[mb->succ[0]], no = x->real[mb->succ[1]];
    unsigned cond = x->m->insn[i].cond;
    if (yes == next && no != next) {
        emit_branch(x, i, cond ^ 1, no);
        return;
    }
    if (yes != no)
        emit_branch(x, i, cond, yes);
    if (no != next)
        emit_jump(x, i + 1, no);
}

static void emit_block(struct emitter *x, uint32_t b, uint32_t next) {
    const struct mach *m = x->m;
    const struct mblock *mb = &m->block[b];
    if (x->align[b])
        emit_item(x->e, ITEM_ALIGN)->in.disp = x->align[b];
    emit_place(x->e, LABEL_BLOCKS + b);
    x->tested_size = 0;
    for (uint32_t i = mb->first; i < mb->end; i++) {
        switch (m->insn[i].op) {
        case X64_JCC:
            assert(i + 2 == mb->end && m->insn[i + 1].op == X64_JMP);
            emit_two_way(x, mb, i, next);
            return;
        case X64_JMP:
            if (x->real[mb->succ[mb->nsucc - 1]] != next)
                emit_jump(x, i, x->real[mb->succ[mb->nsucc - 1]]);
            return;
        default:
            if (!is_tested(x, &m->insn[i]))
                emit_insn(x, i);
            follow_flags(x, &m->insn[i]);
        }
    }
}

static void emit_blocks(struct emitter *x) {
    uint32_t b = 0, n = x->m->nblock;
    while (b < n) {
        uint32_t next = b + 1;
        while (next < n && x->real[next] != next)
            next++;
        emit_block(x, b, next);
        b = next;
    }
}

static void emit_strings(struct emitted *e) {
    e->code_end = e->n;
    for (uint32_t s = 0; s < e->m->ir->nstring; s++) {
        if (!e->used[e->first_string + s])
            continue;
        emit_place(e, e->first_string + s);
        emit_item(e, ITEM_STRING)->in.imm = s;
    }
}

/* ---- the unit ---- */

struct emitted *emit_new(const struct mach *m, uint32_t blocks, uint32_t strings, uint64_t items) {
    struct emitted *e = xcalloc(1, sizeof *e);
    uint64_t labels =
        (uint64_t)LABEL_BLOCKS + blocks + strings + (2 * X64_SCAN_MAX + 1) * X64_SCAN_PLACES;
    if (labels > INT32_MAX)
        bug("emit: too many labels");
    e->m = m;
    e->nlabel = (uint32_t)labels;
    e->first_string = LABEL_BLOCKS + blocks;
    e->first_scan = e->first_string + strings;
    e->used = xcalloc(e->nlabel, sizeof *e->used);
    /* On entry rsp is 8 short of a multiple of 16, and the prologue pushes six registers. */
    e->frame = (16 + 8 * m->nslots) | 8;
    e->cap = (uint32_t)(items + 256 < UINT32_MAX ? items + 256 : UINT32_MAX);
    e->item = xalloc(e->cap, sizeof *e->item);
    return e;
}

struct emitted *emit(const struct mach *m, enum x64_level level) {
    assert(m->allocated);
    if (m->nslots > EMIT_MAX_FRAME / 8 - 3)
        return NULL;
    read_rows();
    struct emitted *e = emit_new(m, m->nblock, m->ir->nstring, (uint64_t)m->ninsn + m->nblock);
    struct emitter x = {.e = e, .m = m};
    x.real = xalloc(m->nblock, sizeof *x.real);
    x.align = xcalloc(m->nblock, sizeof *x.align);
    find_real_targets(&x);
    find_inner_loops(&x);
    emit_prologue(e);
    emit_blocks(&x);
    emit_stubs(e);
    emit_scan_stubs(e, level);
    emit_strings(e);
    xfree(x.real);
    xfree(x.align);
    return e;
}

void emit_free(struct emitted *e) {
    if (e == NULL)
        return;
    xfree(e->item);
    xfree(e->used);
    xfree(e);
}

static const struct {
    const char *name, *meaning;
} label_info[LABEL_BLOCKS] = {
    [LABEL_ENTER] = {"bf_program", "rdi: struct rt *, rsi: cell 0"},
    [LABEL_EXIT] = {".Lexit", "leaves the program; rsp is rt->saved_sp"},
    [LABEL_EXIT_STUB] = {".Lexit_stub", "leaves it from a stub"},
    [LABEL_TRAP] = {".Ltrap", "off the tape: address in rax"},
    [LABEL_OUT] = {".Lout", "writes al"},
    [LABEL_OUT_SLOW] = {".Lout_slow", "the buffer is full"},
    [LABEL_OUTS] = {".Louts", "writes the string at rax"},
    [LABEL_IN] = {".Lin", "reads a cell into rax"},
    [LABEL_IN_SLOW] = {".Lin_slow", "the buffer is empty"},
    [LABEL_CALL] = {".Lcall", "runs loop edx from rsi"},
    [LABEL_LOOK] = {".Llook", "at the head of loop edx, from rsi"},
    [LABEL_HASH] = {".Lhash", "shows the cells around rax"},
};

static int scan_stride(const struct emitted *e, uint32_t label) {
    return (int)((label - e->first_scan) / X64_SCAN_PLACES) - X64_SCAN_MAX;
}

void emit_label_name(struct text *out, const struct emitted *e, uint32_t label) {
    if (label < LABEL_BLOCKS)
        text_put(out, label_info[label].name);
    else if (label < e->first_string)
        text_fmt(out, ".Lb%u", label - LABEL_BLOCKS);
    else if (label < e->first_scan)
        text_fmt(out, ".Lstr%u", label - e->first_string);
    else
        emit_scan_name(out, scan_stride(e, label), (label - e->first_scan) % X64_SCAN_PLACES);
}

const char *emit_label_meaning(const struct emitted *e, uint32_t label) {
    if (label >= e->first_scan && (label - e->first_scan) % X64_SCAN_PLACES == 0)
        return "rax: from this cell to the next zero";
    return label < LABEL_BLOCKS ? label_info[label].meaning : NULL;
}
