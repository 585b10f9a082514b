/* test_encode.c: every shape of instruction, with the numbers at which encodings change. */
#include <Zydis/Zydis.h>
#include <criterion/criterion.h>
#include <string.h>

#include "backend/x64/encode.h"
#include "backend/x64/x64.h"

static struct x64_encoder *encoder;

static void set_up(void) {
    encoder = x64_encoder_new();
}
static void tear_down(void) {
    x64_encoder_free(encoder);
}
TestSuite(encode, .init = set_up, .fini = tear_down);

/* Encodes `in` at `to`, after checking the result; returns its length. */
static unsigned encode_checked(const struct x64_insn *in, int32_t relative, uint8_t *to) {
    const char *why = "";
    unsigned length = x64_write(encoder, x64_template(encoder, in), in, relative, to);
    cr_assert(x64_verify(in, relative, to, length, &why),
              "%s: %s (operands %02x %02x %02x, registers %u %u, base %u, disp %d, imm %lld)",
              ZydisMnemonicGetString((ZydisMnemonic)in->mnemonic), why, in->operand[0],
              in->operand[1], in->operand[2], in->reg[0], in->reg[1], in->base, in->disp,
              (long long)in->imm);
    return length;
}

static void check(const struct x64_insn *in) {
    uint8_t bytes[X64_SLACK];
    encode_checked(in, in->disp, bytes);
}

static struct x64_insn blank(ZydisMnemonic mnemonic) {
    return (struct x64_insn){
        .mnemonic = (uint16_t)mnemonic, .base = X64_NO_REG, .index = X64_NO_REG};
}

static const int32_t disps[] = {0,    1,   -1,   127,       128,       -128,     -129,
                                129,  255, 256,  32767,     -32768,    INT32_MAX, INT32_MIN,
                                0x55, 0x11, 0x11223344};
static const int64_t imms[] = {0,    1,     -1,    2,     127,   128,       -128,      -129,
                               200,  255,   256,   32767, 32768, -32768,    65535,     INT32_MAX,
                               INT32_MIN, 0x55, 0x5566, 0x55667788, UINT32_MAX};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const ZydisMnemonic two_address[] = {
    ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_SUB, ZYDIS_MNEMONIC_AND,  ZYDIS_MNEMONIC_OR,
    ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_CMP, ZYDIS_MNEMONIC_TEST, ZYDIS_MNEMONIC_MOV};

Test(encode, register_register) {
    for (size_t m = 0; m < COUNT(two_address); m++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned a = 0; a < 16; a++)
                for (unsigned b = 0; b < 16; b++) {
                    struct x64_insn in = blank(two_address[m]);
                    in.operand[0] = in.operand[1] = x64_operand(X64_REG, size);
                    in.reg[0] = (uint8_t)a;
                    in.reg[1] = (uint8_t)b;
                    check(&in);
                }
}

/* Immediates that have no encoding at all are not asked for: 64-bit ones only exist for mov. */
static bool possible(ZydisMnemonic mnemonic, unsigned size, int64_t imm) {
    return size < 8 || imm == (int32_t)imm || mnemonic == ZYDIS_MNEMONIC_MOV;
}

Test(encode, register_immediate) {
    for (size_t m = 0; m < COUNT(two_address); m++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned a = 0; a < 16; a++)
                for (size_t i = 0; i < COUNT(imms); i++) {
                    struct x64_insn in = blank(two_address[m]);
                    in.operand[0] = x64_operand(X64_REG, size);
                    in.operand[1] = x64_operand(X64_IMM, size);
                    in.reg[0] = (uint8_t)a;
                    in.imm = imms[i];
                    if (possible(two_address[m], size, imms[i]))
                        check(&in);
                }
}

Test(encode, wide_constants) {
    static const int64_t wide[] = {INT64_MAX, INT64_MIN, INT64_C(0x123456789abcdef0),
                                   INT64_C(0x5566778899aabbcc), INT64_C(1) << 32};
    for (size_t i = 0; i < COUNT(wide); i++)
        for (unsigned a = 0; a < 16; a++) {
            struct x64_insn in = blank(ZYDIS_MNEMONIC_MOV);
            in.operand[0] = x64_operand(X64_REG, 8);
            in.operand[1] = x64_operand(X64_IMM, 8);
            in.reg[0] = (uint8_t)a;
            in.imm = wide[i];
            check(&in);
        }
}

static struct x64_insn with_memory(ZydisMnemonic mnemonic, unsigned size, unsigned base,
                                   int32_t disp) {
    struct x64_insn in = blank(mnemonic);
    in.operand[0] = x64_operand(X64_MEM, size);
    in.base = (uint8_t)base;
    in.disp = disp;
    return in;
}

Test(encode, memory_immediate) {
    for (size_t m = 0; m < COUNT(two_address); m++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned base = 0; base < 16; base++)
                for (size_t d = 0; d < COUNT(disps); d++)
                    for (size_t i = 0; i < COUNT(imms); i++) {
                        struct x64_insn in = with_memory(two_address[m], size, base, disps[d]);
                        in.operand[1] = x64_operand(X64_IMM, size);
                        in.imm = imms[i];
                        if (size < 8 || imms[i] == (int32_t)imms[i])
                            check(&in);
                    }
}

Test(encode, memory_register_both_ways) {
    for (size_t m = 0; m < COUNT(two_address); m++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned base = 0; base < 16; base++)
                for (unsigned reg = 0; reg < 16; reg++)
                    for (size_t d = 0; d < COUNT(disps); d++) {
                        struct x64_insn in = with_memory(two_address[m], size, base, disps[d]);
                        in.operand[1] = x64_operand(X64_REG, size);
                        in.reg[1] = (uint8_t)reg;
                        check(&in);
                        if (two_address[m] == ZYDIS_MNEMONIC_TEST)
                            continue; /* has only one direction */
                        in.operand[0] = x64_operand(X64_REG, size);
                        in.operand[1] = x64_operand(X64_MEM, size);
                        in.reg[0] = (uint8_t)reg;
                        in.reg[1] = 0;
                        check(&in);
                    }
}

Test(encode, indexed_addresses) {
    for (unsigned base = 0; base < 16; base++)
        for (unsigned index = 0; index < 16; index++)
            for (unsigned scale = 0; scale < 4; scale++)
                for (size_t d = 0; d < COUNT(disps); d++) {
                    if (index == X64_RSP)
                        continue;
                    struct x64_insn in = blank(ZYDIS_MNEMONIC_LEA);
                    in.operand[0] = x64_operand(X64_REG, 8);
                    in.operand[1] = x64_operand(X64_MEM, 8);
                    in.reg[0] = (uint8_t)(15 - base);
                    in.base = (uint8_t)base;
                    in.index = (uint8_t)index;
                    in.scale = (uint8_t)scale;
                    in.disp = disps[d];
                    check(&in);
                }
}

Test(encode, shifts_and_multiplications) {
    for (unsigned size = 1; size <= 8; size *= 2)
        for (unsigned reg = 0; reg < 16; reg++)
            for (unsigned count = 0; count < 64; count++) {
                struct x64_insn in = blank(count % 2 ? ZYDIS_MNEMONIC_SHL : ZYDIS_MNEMONIC_SHR);
                in.operand[0] = x64_operand(X64_REG, size);
                in.operand[1] = x64_operand(X64_IMM, 1);
                in.reg[0] = (uint8_t)reg;
                in.imm = count;
                check(&in);
            }
    for (unsigned size = 2; size <= 8; size *= 2)
        for (unsigned reg = 0; reg < 16; reg++)
            for (size_t i = 0; i < COUNT(imms); i++) {
                struct x64_insn in = blank(ZYDIS_MNEMONIC_IMUL);
                in.operand[0] = in.operand[1] = x64_operand(X64_REG, size);
                in.operand[2] = x64_operand(X64_IMM, size);
                in.reg[0] = (uint8_t)reg;
                in.reg[1] = (uint8_t)(15 - reg);
                in.imm = imms[i];
                if (possible(ZYDIS_MNEMONIC_IMUL, size, imms[i]))
                    check(&in);
            }
}

Test(encode, addresses_relative_to_the_code) {
    for (size_t d = 0; d < COUNT(disps); d++) {
        uint8_t bytes[X64_SLACK];
        struct x64_insn in = blank(ZYDIS_MNEMONIC_LEA);
        in.operand[0] = x64_operand(X64_REG, 8);
        in.operand[1] = x64_operand(X64_MEM, 8);
        in.base = X64_RIP;
        in.disp = 77; /* a label: must not show in the bytes */
        cr_assert_eq(encode_checked(&in, disps[d], bytes), 7);
    }
}

static unsigned check_branch(ZydisMnemonic mnemonic, unsigned width, int32_t relative) {
    uint8_t bytes[X64_SLACK];
    struct x64_insn in = blank(mnemonic);
    in.operand[0] = x64_operand(X64_LABEL, width);
    in.disp = 123456;
    return encode_checked(&in, relative, bytes);
}

/* Around 128 bytes is where Zydis 4.0.0, left to choose the width, lands in the wrong place. */
Test(encode, branches_have_the_width_asked_for) {
    static const int32_t far_off[] = {INT32_MIN, -100000, 100000, INT32_MAX};
    for (int32_t d = -140; d <= 140; d++) {
        cr_assert_eq(check_branch(ZYDIS_MNEMONIC_JZ, 4, d), 6);
        cr_assert_eq(check_branch(ZYDIS_MNEMONIC_JMP, 4, d), 5);
        cr_assert_eq(check_branch(ZYDIS_MNEMONIC_CALL, 4, d), 5);
        if (d >= -128 && d <= 127) {
            cr_assert_eq(check_branch(ZYDIS_MNEMONIC_JZ, 1, d), 2);
            cr_assert_eq(check_branch(ZYDIS_MNEMONIC_JMP, 1, d), 2);
        }
    }
    for (size_t i = 0; i < COUNT(far_off); i++)
        check_branch(ZYDIS_MNEMONIC_JNLE, 4, far_off[i]);
}

Test(encode, verification_notices_each_kind_of_difference) {
    const char *why;
    uint8_t bytes[X64_SLACK];
    struct x64_insn in = with_memory(ZYDIS_MNEMONIC_ADD, 1, X64_RBX, 5);
    in.operand[1] = x64_operand(X64_IMM, 1);
    in.imm = 3;
    unsigned length = encode_checked(&in, 0, bytes);
    cr_assert_eq(length, 4);
    struct x64_insn other = in;
    other.mnemonic = ZYDIS_MNEMONIC_SUB;
    cr_assert_not(x64_verify(&other, 0, bytes, length, &why));
    other = in, other.base = X64_RCX;
    cr_assert_not(x64_verify(&other, 0, bytes, length, &why));
    other = in, other.disp = 6;
    cr_assert_not(x64_verify(&other, 0, bytes, length, &why));
    other = in, other.imm = 4;
    cr_assert_not(x64_verify(&other, 0, bytes, length, &why));
    other = in, other.operand[0] = x64_operand(X64_MEM, 2);
    cr_assert_not(x64_verify(&other, 0, bytes, length, &why));
    cr_assert_not(x64_verify(&in, 0, bytes, length - 1, &why));
}

Test(encode, templates_are_shared) {
    struct x64_insn in = with_memory(ZYDIS_MNEMONIC_ADD, 1, X64_RBX, 5);
    in.operand[1] = x64_operand(X64_IMM, 1);
    for (int n = 0; n < 1000; n++) {
        in.disp = n % 120 + 1;
        in.imm = n;
        check(&in);
    }
    cr_assert_eq(x64_template_count(encoder), 1);
}

Test(encode, immediates_are_signed_for_their_width) {
    cr_assert_eq(x64_imm(200, 1), -56);
    cr_assert_eq(x64_imm(-200, 1), 56);
    cr_assert_eq(x64_imm(65535, 2), -1);
    cr_assert_eq(x64_imm(INT64_C(0x80000000), 4), INT32_MIN);
    cr_assert_eq(x64_imm(INT64_C(0x80000000), 8), INT64_C(0x80000000));
}
