/* x64_sim.c: executes x86-64 code in machine form.
 *
 * Slow and plain on purpose: each operand is found by reading the row's operand string again, each
 * instruction by its mnemonic's name.  Registers start with garbage, and what an instruction leaves
 * undefined becomes garbage, so that code which relies on it goes wrong. */
#include "tests/unit/x64_sim.h"

#include <stdlib.h>
#include <string.h>

#include "backend/x64/x64.h"
#include "ir/ir.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

static const struct {
    const char *mnemonic, *operands;
} sim_row[X64_OP_COUNT] = {
#define X64(name, mnemonic, operands, ...) [X64_##name] = {#mnemonic, operands},
#include "backend/x64/x64.def"
#undef X64
};

struct state {
    struct sim *sim;
    const struct mach *m;
    const struct minsn *in;
    uint64_t *reg, *slot;
    bool z, c, garbage_flags;
};

static uint64_t garbage(struct sim *s) {
    s->garbage = s->garbage * 6364136223846793005u + 1442695040888963407u;
    return s->garbage ^ s->garbage >> 29;
}

static uint64_t cut(uint64_t v, unsigned size) {
    return size == 8 ? v : v & ((UINT64_C(1) << 8 * size) - 1);
}

/* ---- operands ---- */

struct operand {
    enum { OP_ABSENT, OP_REGISTER, OP_MEMORY, OP_IMMEDIATE } kind;
    unsigned size;
    uint64_t *where;
    uint8_t *memory;
    uint64_t imm;
};

static bool in_range(const void *base, size_t bytes, uint64_t a, unsigned size) {
    uint64_t b = (uint64_t)(uintptr_t)base;
    return a >= b && a - b + size <= bytes;
}

static uint64_t address(const struct state *st, const char *p) {
    const struct minsn *in = st->in;
    uint64_t a = st->reg[in->r[p[1] - '0']] + (uint64_t)(int64_t)in->disp;
    return p[2] == '+' ? a + (st->reg[in->r[p[3] - '0']] << in->aux) : a;
}

static struct operand memory_operand(struct state *st, uint64_t a, unsigned size) {
    struct sim *s = st->sim;
    struct operand o = {.kind = OP_MEMORY, .size = size};
    if (in_range(s->tape, s->tape_bytes, a, size) || in_range(s->rt, sizeof *s->rt, a, size)) {
        o.memory = (uint8_t *)(uintptr_t)a;
        return o;
    }
    s->end = st->in->trap ? SIM_TRAPPED : SIM_WILD;
    s->result = a;
    return o;
}

static struct operand operand(struct state *st, const char *p) {
    const struct minsn *in = st->in;
    size_t len = strcspn(p, ",");
    const char *colon = memchr(p, ':', len);
    unsigned size = colon ? (unsigned)(colon[1] - '0') : in->size;
    if (len == 0 || *p == 'L')
        return (struct operand){.kind = OP_ABSENT};
    if (*p == 'i')
        return (struct operand){OP_IMMEDIATE, size, NULL, NULL, (uint64_t)in->imm};
    if (*p != '[')
        return (struct operand){OP_REGISTER, size, &st->reg[in->r[*p - '0']], NULL, 0};
    if (strncmp(p, "[rsp]", 5) != 0)
        return memory_operand(st,
                              in->op == X64_LEA || in->op == X64_LEA_RR
                                  ? (uint64_t)(uintptr_t)st->sim->tape
                                  : address(st, p),
                              size);
    if (in->disp == -2) {
        static uint64_t rt_slot;
        rt_slot = (uint64_t)(uintptr_t)st->sim->rt;
        return (struct operand){OP_REGISTER, 8, &rt_slot, NULL, 0};
    }
    return (struct operand){OP_REGISTER, 8, &st->slot[in->disp], NULL, 0};
}

static uint64_t get(const struct operand *o) {
    uint64_t v = 0;
    if (o->kind == OP_IMMEDIATE)
        v = o->imm;
    else if (o->kind == OP_REGISTER)
        v = *o->where;
    else if (o->memory)
        memcpy(&v, o->memory, o->size);
    return cut(v, o->size);
}

/* Writing 4 bytes of a register clears the rest, writing fewer keeps it. */
static void put(const struct operand *o, uint64_t v) {
    if (o->kind == OP_MEMORY) {
        if (o->memory)
            memcpy(o->memory, &v, o->size);
    } else if (o->size >= 4) {
        *o->where = cut(v, o->size);
    } else {
        *o->where = (*o->where & ~cut(UINT64_MAX, o->size)) | cut(v, o->size);
    }
}

/* ---- instructions ---- */

static bool holds(struct state *st, unsigned cc) {
    if (st->garbage_flags)
        bug("simulator: undefined flags are read by %s", x64_op_name(st->in->op));
    bool v = false;
    switch (cc & ~1u) {
    case X64_CC_B:
        v = st->c;
        break;
    case X64_CC_Z:
        v = st->z;
        break;
    case X64_CC_BE:
        v = st->c || st->z;
        break;
    default:
        bug("simulator: condition %u", cc);
    }
    return v != (cc & 1);
}

static void flags(struct state *st, uint64_t result, bool carry, unsigned size) {
    st->z = cut(result, size) == 0;
    st->c = carry;
    st->garbage_flags = false;
}

static bool named(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* d = d op s with flags; false: no such operation. */
static bool arithmetic(struct state *st, const char *name, struct operand *d, uint64_t b) {
    uint64_t a = get(d), r;
    unsigned size = d->size;
    bool carry = false, test = false, keep = false;
    b = cut(b, size);
    if (named(name, "ADD")) {
        r = a + b;
    } else if (named(name, "SUB") || named(name, "CMP")) {
        r = a - b;
        carry = a < b;
        test = *name == 'C';
    } else if (named(name, "AND") || named(name, "TEST")) {
        r = a & b;
        test = *name == 'T';
    } else if (named(name, "OR")) {
        r = a | b;
    } else if (named(name, "XOR")) {
        r = a ^ b;
    } else if (named(name, "NEG")) {
        r = -a;
    } else if (named(name, "NOT")) {
        r = ~a;
        keep = true;
    } else if (named(name, "SHL") || named(name, "SHR")) {
        b &= size == 8 ? 63 : 31;
        r = *name == 'S' && name[2] == 'L' ? a << b : a >> b;
        keep = b == 0;
    } else {
        return false;
    }
    if (!keep)
        flags(st, r, carry, size);
    if (!test)
        put(d, r);
    return true;
}

static void execute(struct state *st) {
    const struct minsn *in = st->in;
    const struct mdesc *desc = mach_desc(st->m, in);
    const char *name = sim_row[in->op].mnemonic, *p = sim_row[in->op].operands;
    struct operand o[3] = {{0}};
    for (unsigned n = 0; n < 3 && *p; n++) {
        o[n] = operand(st, p);
        p += strcspn(p, ",");
        p += *p == ',';
    }
    if (st->sim->end != SIM_STEPS)
        return; /* an access that failed */
    if (desc->flags & MD_TIED)
        st->reg[in->r[0]] = st->reg[in->r[1]];
    if (named(name, "MOV") || named(name, "MOVZX")) {
        put(&o[0], get(&o[1]));
    } else if (named(name, "XCHG")) {
        uint64_t t = get(&o[0]);
        put(&o[0], get(&o[1]));
        put(&o[1], t);
    } else if (named(name, "LEA")) {
        put(&o[0], address(st, strchr(sim_row[in->op].operands, '[')));
    } else if (named(name, "IMUL")) {
        uint64_t r = o[2].kind != OP_ABSENT ? get(&o[1]) * get(&o[2]) : get(&o[0]) * get(&o[1]);
        put(&o[0], r);
        st->garbage_flags = true;
    } else if (named(name, "SETZ")) {
        put(&o[0], holds(st, in->cond));
    } else if (named(name, "CMOVZ")) {
        put(&o[0], holds(st, in->cond) ? get(&o[1]) : get(&o[0]));
    } else if (!arithmetic(st, name, &o[0], o[1].kind == OP_ABSENT ? 0 : get(&o[1]))) {
        bug("simulator: %s", name);
    }
}

/* What the stub of a scan does; the first address off the tape is its result, not an error. */
static void scan(struct state *st) {
    const struct sim *s = st->sim;
    const struct minsn *in = st->in;
    unsigned size = st->m->cell_bits / 8;
    uint64_t a = st->reg[in->r[1]], v = 1;
    while (in_range(s->tape, s->tape_bytes, a, size)) {
        memcpy(&v, (const void *)(uintptr_t)a, size);
        if (cut(v, size) == 0)
            break;
        a += (uint64_t)in->imm;
    }
    st->reg[in->r[0]] = a;
    st->garbage_flags = true;
}

/* The pseudo rows; true if the instruction is one. */
static bool pseudo(struct state *st) {
    struct sim *s = st->sim;
    const struct minsn *in = st->in;
    if (in->op == X64_ENTRY)
        return true; /* set up before */
    if (in->op == X64_RET || in->op == X64_TRAP) {
        s->end = in->op == X64_RET ? SIM_RETURNED : SIM_TRAPPED;
        s->result = st->reg[in->r[1]];
        return true;
    }
    if (in->op == X64_TABLE) {
        const struct func *f = st->m->ir;
        st->reg[in->r[0]] = (uint64_t)(uintptr_t)(f->text + f->string[in->imm].start) - 8;
        return true;
    }
    if (in->op == X64_MOVZX_RX1) {
        uint64_t a = st->reg[in->r[1]] + st->reg[in->r[2]] + (uint64_t)in->disp;
        st->reg[in->r[0]] = *(const uint8_t *)(uintptr_t)a;
        return true;
    }
    if (in->op != X64_OUT && in->op != X64_IN && in->op != X64_OUTS && in->op != X64_HASH &&
        in->op != X64_CALL && in->op != X64_SCAN)
        return false;
    if (in->op == X64_SCAN) {
        scan(st);
        return true;
    }
    uint64_t v = in->r[1] != NO_REG ? st->reg[in->r[1]] : (uint64_t)in->imm;
    if (in->op == X64_CALL && st->m->allocated)
        for (unsigned r = 0; r < X64_NREGS; r++)
            if (mach_desc(st->m, in)->clobbers >> r & 1)
                st->reg[r] = garbage(s);
    if (in->op == X64_IN)
        st->reg[in->r[0]] = sim_input(s->nin++, cut(v, st->m->cell_bits / 8));
    else if (in->op == X64_CALL)
        st->reg[in->r[0]] = v;
    else if (s->nout < SIM_OUT)
        s->out[s->nout++] = in->op == X64_HASH ? (uint8_t)'#' : (uint8_t)v;
    if (in->op == X64_CALL && s->nout < SIM_OUT)
        s->out[s->nout++] = (uint8_t)in->imm;
    if (st->m->allocated && in->op != X64_IN && in->op != X64_CALL)
        st->reg[X64_RAX] = garbage(s);
    st->garbage_flags = true;
    return true;
}

/* All phis of a block at once. */
static void enter(struct state *st, uint32_t from, uint32_t to) {
    const struct mblock *b = &st->m->block[to];
    unsigned slot = b->npred > 1 && b->pred[1] == from ? 2 : 1;
    uint64_t phi[64];
    unsigned n = 0;
    for (uint32_t i = b->first; i < b->end && st->m->insn[i].op == X64_PHI; i++)
        phi[n++ % 64] = st->reg[st->m->insn[i].r[slot]];
    if (n > 64)
        bug("simulator: %u phis", n);
    for (unsigned i = 0; i < n; i++)
        st->reg[st->m->insn[b->first + i].r[0]] = phi[i];
}

/* Executes a block; returns the successor. */
static uint32_t run_block(struct state *st, uint32_t b) {
    const struct mblock *mb = &st->m->block[b];
    for (uint32_t i = mb->first; i < mb->end; i++) {
        st->in = &st->m->insn[i];
        unsigned f = mach_desc(st->m, st->in)->flags;
        if (f & MD_JUMP)
            return mb->succ[mb->nsucc - 1];
        if ((f & MD_BRANCH) && holds(st, st->in->cond))
            return mb->succ[0];
        if (!(f & (MD_BRANCH | MD_PHI)) && !pseudo(st))
            execute(st);
        if (st->sim->end != SIM_STEPS)
            return 0;
    }
    bug("simulator: block b%u has no end", (unsigned)b);
}

void sim_run(struct sim *s, const struct mach *m, uint64_t pointer) {
    unsigned nreg = m->allocated ? X64_NREGS : m->nvreg;
    struct state st = {.sim = s, .m = m, .garbage_flags = true};
    st.reg = xalloc((size_t)nreg + 1, 8);
    st.slot = xalloc((size_t)m->nslots + 1, 8);
    for (unsigned n = 0; n < nreg; n++)
        st.reg[n] = garbage(s);
    for (unsigned n = 0; n < m->nslots; n++)
        st.slot[n] = garbage(s);
    if (m->insn[0].op == X64_ENTRY)
        st.reg[m->insn[0].r[0]] = pointer;
    s->end = SIM_STEPS;
    uint32_t b = 0;
    while (s->end == SIM_STEPS && s->steps-- > 0) {
        uint32_t to = run_block(&st, b);
        if (s->end == SIM_STEPS && !m->allocated)
            enter(&st, b, to);
        b = to;
    }
    xfree(st.reg);
    xfree(st.slot);
}
