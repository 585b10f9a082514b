/* encode.c: instructions to bytes, by templates that Zydis makes.
 *
 *   add byte [rbx + 5], 3
 *     shape      ADD, mem 1, imm 1, base rbx, small displacement, small immediate
 *     template   80 43 11 55     displacement at 2, immediate at 3: found by decoding
 *     bytes      80 43 05 03     copied and patched
 *
 * Encoding by Zydis takes hundreds of nanoseconds; programs have millions of instructions and a few
 * hundred shapes.  Numbers are classed by the ranges that change the encoding: displacements none,
 * 8 or 32 bits; immediates 8, 32 or 64 bits, and the shift by one, which has a form of its own.
 * Branches always say their width: Zydis is never left to choose it, and its call for absolute
 * addresses, which in version 4.0.0 mistakes some targets, is not used.
 */
#include "backend/x64/encode.h"

#include <Zydis/Zydis.h>
#include <assert.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/bug.h"

/* How the number in a place is encoded. */
enum disp_class { DISP_NONE, DISP_8, DISP_32, DISP_LABEL };
enum imm_class { IMM_CLASS_NONE, IMM_8, IMM_32, IMM_64, IMM_ONE };

/* Placeholders: of their class, and with no byte that a patch could leave unnoticed. */
#define MARK_DISP_8  0x11
#define MARK_DISP_32 0x11223344
#define MARK_IMM_8   0x55
#define MARK_IMM_16  0x5566
#define MARK_IMM_32  0x55667788
#define MARK_IMM_64  INT64_C(0x5566778899aabbcc)

struct shape {
    uint64_t a; /* mnemonic, operands, registers */
    uint32_t b; /* base, index, scale, classes */
};

struct template {
    struct shape shape;
    uint8_t length;
    uint8_t disp_at, disp_size; /* in bytes; size 0: nothing to patch.  Branch offsets too */
    uint8_t imm_at, imm_size;
    uint8_t bytes[X64_SLACK];
};

struct x64_encoder {
    struct template *templ;
    uint32_t n, cap;
    uint32_t *slot; /* hash table of template numbers + 1; 0: free */
    uint32_t mask;
};

static_assert(sizeof(struct x64_insn) == 24, "instructions come by the million");

/* ---- shapes ---- */

int64_t x64_imm(int64_t v, unsigned size) {
    switch (size) {
    case 1:
        return (int8_t)v;
    case 2:
        return (int16_t)v;
    case 4:
        return (int32_t)v;
    default:
        return v;
    }
}

static bool is_shift(unsigned mnemonic) {
    return mnemonic == ZYDIS_MNEMONIC_SHL || mnemonic == ZYDIS_MNEMONIC_SHR ||
           mnemonic == ZYDIS_MNEMONIC_SAR || mnemonic == ZYDIS_MNEMONIC_ROL ||
           mnemonic == ZYDIS_MNEMONIC_ROR;
}

static unsigned class_of_disp(const struct x64_insn *in) {
    if (in->base >= X64_NO_REG)
        return in->base == X64_RIP ? DISP_LABEL : DISP_NONE;
    /* Sums of comparisons: branches on numbers of programs are hard to predict. */
    return DISP_NONE + (in->disp != 0) + (in->disp != (int8_t)in->disp);
}

static unsigned class_of_imm(const struct x64_insn *in) {
    int n = x64_find(in, X64_IMM);
    if (n < 0)
        return IMM_CLASS_NONE;
    if (is_shift(in->mnemonic))
        return in->imm == 1 ? IMM_ONE : IMM_8;
    int64_t v = x64_imm(in->imm, x64_size(in->operand[n]));
    return IMM_8 + (v != (int8_t)v) + (v != (int32_t)v);
}

static struct shape shape_of(const struct x64_insn *in) {
    struct shape s;
    memcpy(&s.a, in, sizeof s.a);
    s.b = in->base | (uint32_t)in->index << 8 |
          (in->scale | class_of_disp(in) << 2 | class_of_imm(in) << 5) << 16;
    return s;
}

/* ---- requests to Zydis ---- */

static ZydisRegister zydis_reg(unsigned reg, unsigned size) {
    switch (size) {
    case 1:
        return (ZydisRegister)(reg < 4   ? ZYDIS_REGISTER_AL + reg
                               : reg < 8 ? ZYDIS_REGISTER_SPL + (reg - 4)
                                         : ZYDIS_REGISTER_R8B + (reg - 8));
    case 2:
        return (ZydisRegister)(ZYDIS_REGISTER_AX + reg);
    case 4:
        return (ZydisRegister)(ZYDIS_REGISTER_EAX + reg);
    case 8:
        return (ZydisRegister)(ZYDIS_REGISTER_RAX + reg);
    case 16:
        return (ZydisRegister)(ZYDIS_REGISTER_XMM0 + reg);
    case 32:
        return (ZydisRegister)(ZYDIS_REGISTER_YMM0 + reg);
    default:
        return (ZydisRegister)(ZYDIS_REGISTER_ZMM0 + reg);
    }
}

static ZydisRegister zydis_address_reg(unsigned reg) {
    return reg == X64_NO_REG ? ZYDIS_REGISTER_NONE
           : reg == X64_RIP  ? ZYDIS_REGISTER_RIP
                             : zydis_reg(reg, 8);
}

/* Instructions on 64 bytes have an encoding of their own, and an operand more: behind the first,
 * the parts that take part; k0 is all.  Their displacements of 8 bits count 64 bytes, but none of
 * ours is a multiple of that (scan.c): they take 32 bits.  (AVX-512 has shorter vectors, too: not
 * here.) */
static bool is_evex(const struct x64_insn *in) {
    for (unsigned n = 0; n < 3; n++)
        if (x64_kind(in->operand[n]) != X64_NONE && x64_size(in->operand[n]) == 64)
            return true;
    return false;
}

static void request_operand(ZydisEncoderOperand *o, const struct x64_insn *in, unsigned n,
                            int64_t disp, int64_t imm) {
    unsigned size = x64_size(in->operand[n]);
    switch (x64_kind(in->operand[n])) {
    case X64_NONE:
        break;
    case X64_REG:
        o->type = ZYDIS_OPERAND_TYPE_REGISTER;
        o->reg.value = zydis_reg(in->reg[n], size);
        break;
    case X64_MASK:
        o->type = ZYDIS_OPERAND_TYPE_REGISTER;
        o->reg.value = (ZydisRegister)(ZYDIS_REGISTER_K0 + in->reg[n]);
        break;
    case X64_MEM:
        o->type = ZYDIS_OPERAND_TYPE_MEMORY;
        o->mem.base = zydis_address_reg(in->base);
        o->mem.index = zydis_address_reg(in->index);
        o->mem.scale = (ZyanU8)(in->index == X64_NO_REG ? 0U : 1U << in->scale);
        o->mem.displacement = disp;
        o->mem.size = (ZyanU16)size;
        break;
    case X64_IMM:
        o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        o->imm.s = imm;
        break;
    case X64_LABEL:
        o->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        o->imm.s = disp;
        break;
    }
}

/* Encodes with these numbers; the length, or 0 if Zydis refuses. */
static unsigned request(const struct x64_insn *in, int64_t disp, int64_t imm,
                        uint8_t bytes[X64_SLACK]) {
    ZydisEncoderRequest r;
    memset(&r, 0, sizeof r);
    r.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    r.mnemonic = (ZydisMnemonic)in->mnemonic;
    /* Other vectors are VEX: a stray register must not make an EVEX form of it. */
    bool evex = is_evex(in);
    r.allowed_encodings = evex ? ZYDIS_ENCODABLE_ENCODING_EVEX
                               : (ZydisEncodableEncoding)(ZYDIS_ENCODABLE_ENCODING_LEGACY |
                                                          ZYDIS_ENCODABLE_ENCODING_VEX);
    for (unsigned n = 0; n < 3 && x64_kind(in->operand[n]) != X64_NONE; n++) {
        request_operand(&r.operands[r.operand_count++], in, n, disp, imm);
        if (evex && n == 0) {
            r.operands[r.operand_count].type = ZYDIS_OPERAND_TYPE_REGISTER;
            r.operands[r.operand_count++].reg.value = ZYDIS_REGISTER_K0;
        }
        if (x64_kind(in->operand[n]) == X64_LABEL) {
            bool far_off = x64_size(in->operand[n]) == 4;
            r.branch_type = far_off ? ZYDIS_BRANCH_TYPE_NEAR : ZYDIS_BRANCH_TYPE_SHORT;
            r.branch_width = far_off ? ZYDIS_BRANCH_WIDTH_32 : ZYDIS_BRANCH_WIDTH_8;
        }
    }
    ZyanUSize length = X64_SLACK;
    ZyanStatus status = ZydisEncoderEncodeInstruction(&r, bytes, &length);
    return ZYAN_SUCCESS(status) ? (unsigned)length : 0;
}

/* ---- decoding ---- */

struct decoded {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const uint8_t *bytes, unsigned length, struct decoded *d) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, length, &d->in, d->operand)) &&
           d->in.length == length;
}

/* ---- templates ---- */

static int64_t mark_disp(const struct x64_insn *in) {
    int label = x64_find(in, X64_LABEL);
    if (label >= 0)
        return x64_size(in->operand[label]) == 1 ? MARK_DISP_8 : MARK_DISP_32;
    unsigned class = class_of_disp(in);
    return class == DISP_NONE ? 0 : class == DISP_8 ? MARK_DISP_8 : MARK_DISP_32;
}

static int64_t mark_imm(const struct x64_insn *in) {
    switch ((enum imm_class)class_of_imm(in)) {
    case IMM_CLASS_NONE:
        return 0;
    case IMM_ONE:
        return 1;
    case IMM_8:
        return MARK_IMM_8;
    case IMM_32:
        return x64_size(in->operand[x64_find(in, X64_IMM)]) == 2 ? MARK_IMM_16 : MARK_IMM_32;
    case IMM_64:
        return MARK_IMM_64;
    }
    return 0;
}

/* Finds where the numbers stand, and that they are there. */
static void locate(struct template *t, const struct x64_insn *in, const struct decoded *d) {
    bool branch = x64_find(in, X64_LABEL) >= 0;
    if (branch) {
        assert(d->in.raw.imm[0].is_relative);
        t->disp_at = d->in.raw.imm[0].offset;
        t->disp_size = d->in.raw.imm[0].size / 8;
        return;
    }
    t->disp_at = d->in.raw.disp.offset;
    t->disp_size = class_of_disp(in) == DISP_NONE ? 0 : d->in.raw.disp.size / 8;
    if (x64_find(in, X64_IMM) >= 0 && class_of_imm(in) != IMM_ONE) {
        t->imm_at = d->in.raw.imm[0].offset;
        t->imm_size = d->in.raw.imm[0].size / 8;
    }
}

static struct template make_template(const struct x64_insn *in, struct shape shape) {
    struct template t = {.shape = shape};
    struct decoded d;
    t.length = (uint8_t)request(in, mark_disp(in), mark_imm(in), t.bytes);
    if (t.length == 0 || !decode(t.bytes, t.length, &d))
        bug("no encoding of %s, operands %02x %02x %02x",
            ZydisMnemonicGetString((ZydisMnemonic)in->mnemonic), in->operand[0], in->operand[1],
            in->operand[2]);
    locate(&t, in, &d);
    if ((t.disp_size == 0) != (mark_disp(in) == 0) ||
        (t.imm_size == 0) != (class_of_imm(in) == IMM_CLASS_NONE || class_of_imm(in) == IMM_ONE))
        bug("no place for the numbers of %s", ZydisMnemonicGetString((ZydisMnemonic)in->mnemonic));
    return t;
}

struct x64_encoder *x64_encoder_new(void) {
    struct x64_encoder *e = xcalloc(1, sizeof *e);
    e->mask = 1023;
    e->slot = xcalloc((size_t)e->mask + 1, sizeof *e->slot);
    return e;
}

void x64_encoder_free(struct x64_encoder *e) {
    if (e == NULL)
        return;
    xfree(e->templ);
    xfree(e->slot);
    xfree(e);
}

static uint32_t hash(struct shape s) {
    uint64_t h = (s.a ^ s.b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(h >> 32);
}

static void grow_table(struct x64_encoder *e) {
    uint32_t mask = e->mask * 2 + 1;
    uint32_t *slot = xcalloc((size_t)mask + 1, sizeof *slot); /* or all stays as it is */
    xfree(e->slot);
    e->slot = slot;
    e->mask = mask;
    for (uint32_t n = 0; n < e->n; n++) {
        uint32_t i = hash(e->templ[n].shape) & e->mask;
        while (e->slot[i] != 0)
            i = (i + 1) & e->mask;
        e->slot[i] = n + 1;
    }
}

uint32_t x64_template(struct x64_encoder *e, const struct x64_insn *in) {
    struct shape s = shape_of(in);
    if (e->n * 2 > e->mask)
        grow_table(e);
    uint32_t i = hash(s) & e->mask;
    for (; e->slot[i] != 0; i = (i + 1) & e->mask) {
        const struct template *t = &e->templ[e->slot[i] - 1];
        if (t->shape.a == s.a && t->shape.b == s.b)
            return e->slot[i] - 1;
    }
    e->templ = xgrow(e->templ, &e->cap, (uint64_t)e->n + 1, sizeof *e->templ);
    e->templ[e->n] = make_template(in, s);
    e->slot[i] = ++e->n;
    return e->n - 1;
}

unsigned x64_length(const struct x64_encoder *e, uint32_t templ) {
    return e->templ[templ].length;
}

unsigned x64_template_count(const struct x64_encoder *e) {
    return e->n;
}

unsigned x64_write(const struct x64_encoder *e, uint32_t templ, const struct x64_insn *in,
                   int32_t relative, uint8_t *to) {
    const struct template *t = &e->templ[templ];
    memcpy(to, t->bytes, X64_SLACK);
    int32_t disp = x64_find(in, X64_LABEL) >= 0 || in->base == X64_RIP ? relative : in->disp;
    if (t->disp_size == 4)
        memcpy(to + t->disp_at, &disp, 4);
    else if (t->disp_size == 1)
        to[t->disp_at] = (uint8_t)disp;
    if (t->imm_size == 1)
        to[t->imm_at] = (uint8_t)in->imm;
    else if (t->imm_size != 0)
        memcpy(to + t->imm_at, &in->imm, t->imm_size);
    return t->length;
}

/* ---- the second opinion ---- */

static bool same_memory(const struct x64_insn *in, unsigned size, int64_t disp,
                        const ZydisDecodedOperand *o) {
    if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.base != zydis_address_reg(in->base) ||
        o->mem.index != zydis_address_reg(in->index) || o->mem.disp.value != disp)
        return false;
    if (in->index != X64_NO_REG && o->mem.scale != 1U << in->scale)
        return false;
    return in->mnemonic == ZYDIS_MNEMONIC_LEA || o->size == size * 8;
}

static bool same_immediate(int64_t want, unsigned size, const ZydisDecodedOperand *o) {
    return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
           x64_imm(o->imm.value.s, size) == x64_imm(want, size);
}

static bool same_operand(const struct x64_insn *in, unsigned n, int32_t relative,
                         const ZydisDecodedOperand *o) {
    unsigned size = x64_size(in->operand[n]);
    switch (x64_kind(in->operand[n])) {
    case X64_NONE:
        return true;
    case X64_REG:
        return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
               o->reg.value == zydis_reg(in->reg[n], size);
    case X64_MASK:
        return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
               o->reg.value == (ZydisRegister)(ZYDIS_REGISTER_K0 + in->reg[n]);
    case X64_MEM:
        return same_memory(in, size, in->base == X64_RIP ? relative : in->disp, o);
    case X64_IMM:
        return same_immediate(in->imm, size, o);
    case X64_LABEL:
        return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative &&
               o->imm.value.s == relative && o->size == size * 8;
    }
    return false;
}

static bool same_bytes(const struct x64_insn *in, int32_t relative, const uint8_t *bytes,
                       unsigned length) {
    uint8_t again[X64_SLACK];
    bool label = in->base == X64_RIP || x64_find(in, X64_LABEL) >= 0;
    int n = x64_find(in, X64_IMM);
    int64_t imm = n >= 0 ? x64_imm(in->imm, x64_size(in->operand[n])) : 0;
    return request(in, label ? relative : in->disp, imm, again) == length &&
           memcmp(again, bytes, length) == 0;
}

bool x64_verify(const struct x64_insn *in, int32_t relative, const uint8_t *bytes, unsigned length,
                const char **why) {
    struct decoded d;
    if (!decode(bytes, length, &d)) {
        *why = "no instruction of this length";
        return false;
    }
    if (d.in.mnemonic != (ZydisMnemonic)in->mnemonic) {
        *why = "another mnemonic";
        return false;
    }
    static const char *const differs[3] = {"first operand", "second operand", "third operand"};
    bool evex = is_evex(in);
    if (evex && (d.operand[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
                 d.operand[1].reg.value != ZYDIS_REGISTER_K0)) {
        *why = "only parts of the vector";
        return false;
    }
    for (unsigned n = 0; n < 3; n++) {
        if (!same_operand(in, n, relative, &d.operand[n + (evex && n > 0)])) {
            *why = differs[n];
            return false;
        }
    }
    *why = "Zydis encodes the request otherwise";
    return same_bytes(in, relative, bytes, length);
}
