/* encode.h: one x86-64 instruction as data, and its bytes.
 *
 * struct x64_insn says what is wanted: a mnemonic and up to three operands in Intel order, of which
 * at most one is memory.  Every byte comes from Zydis: an instruction of a shape not met before is
 * encoded once with placeholder numbers, decoded again to learn where its displacement and its
 * immediate stand, and kept as a template; from then on an instruction costs a look-up, a copy and
 * two patches.  Implemented in encode.c.
 */
#ifndef BFOPT_BACKEND_X64_ENCODE_H
#define BFOPT_BACKEND_X64_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

enum x64_operand_kind { X64_NONE, X64_REG, X64_MEM, X64_IMM, X64_LABEL, X64_MASK };

/* Values of x64_insn.base and .index besides the hardware numbers of registers. */
#define X64_NO_REG 0x80
#define X64_RIP    0x81 /* base only: disp is then a label, the address of which is meant */

/* 24 bytes.  The first 12 and the classes of disp and imm are the shape. */
struct x64_insn {
    uint16_t mnemonic;   /* ZydisMnemonic */
    uint8_t operand[3];  /* x64_operand(kind, size); a label's size is that of its branch offset */
    uint8_t reg[3];      /* of register operands, else 0 */
    uint8_t base, index; /* of the memory operand, else X64_NO_REG */
    uint8_t scale;       /* the index is shifted left by 0 to 3 */
    uint8_t tag;         /* the owner's; no part of the instruction */
    int32_t disp;        /* displacement; or the label of a branch or of a RIP operand */
    int64_t imm;
};

/* Operand sizes are 1 to 64 bytes; registers of 16 bytes and more are vector registers, and those
 * of AVX-512 that hold a bit for each part of a vector are masks, of 8 bytes. */
static inline uint8_t x64_operand(enum x64_operand_kind kind, unsigned size) {
    return (uint8_t)(kind | (unsigned)__builtin_ctz(size) << 3);
}
static inline enum x64_operand_kind x64_kind(uint8_t operand) {
    return (enum x64_operand_kind)(operand & 7);
}
static inline unsigned x64_size(uint8_t operand) {
    return 1U << (operand >> 3);
}
/* The operand of this kind, or -1. */
static inline int x64_find(const struct x64_insn *in, enum x64_operand_kind kind) {
    for (int n = 0; n < 3; n++)
        if (x64_kind(in->operand[n]) == kind)
            return n;
    return -1;
}

/* An immediate as Zydis, and the machine, want it: v cut to `size` bytes, as a signed number. */
int64_t x64_imm(int64_t v, unsigned size);

#define X64_MAX_LENGTH 15 /* of any instruction */
#define X64_SLACK      16 /* x64_write may touch this many bytes from its start */

struct x64_encoder;
struct x64_encoder *x64_encoder_new(void);
void x64_encoder_free(struct x64_encoder *e);

/* The template of an instruction's shape; stays valid as long as the encoder. */
uint32_t x64_template(struct x64_encoder *e, const struct x64_insn *in);
unsigned x64_length(const struct x64_encoder *e, uint32_t templ);
unsigned x64_template_count(const struct x64_encoder *e);
/* Writes the instruction; returns its length.  relative: for an instruction with a label, the
 * distance of the label from the end of the instruction; else not used. */
unsigned x64_write(const struct x64_encoder *e, uint32_t templ, const struct x64_insn *in,
                   int32_t relative, uint8_t *to);

/* A second opinion: do these bytes decode to what was asked, operand by operand, and would Zydis
 * encode the whole request to them?  If not, *why says what differs. */
bool x64_verify(const struct x64_insn *in, int32_t relative, const uint8_t *bytes, unsigned length,
                const char **why);

#endif
