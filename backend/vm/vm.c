/* vm.c: the tables of the "vm" target, from vm.def. */
#include "backend/vm/vm.h"

#include <stdio.h>

#define DEF  ROLE_DEF
#define USE  ROLE_USE
#define LATE ROLE_USE_LATE
#define ____ ROLE_NONE

static const struct mdesc vm_desc[VM_OP_COUNT] = {
#define VM(name, r0, r1, r2, flags, what)                                                          \
    [VM_##name] = {#name, {r0, r1, r2}, {-1, -1, -1}, flags, 0},
#include "backend/vm/vm.def"
#undef VM
};

const char *const vm_rule_name[] = {
    "",
#define RULE(name, what) #name,
#include "backend/vm/rules.def"
#undef RULE
};
const unsigned vm_rule_count = sizeof vm_rule_name / sizeof *vm_rule_name;

static const uint8_t vm_order[VM_NREGS] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                           12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

static bool vm_rematerializable(const struct minsn *in) {
    return in->op == VM_CONST;
}

static const char *vm_reg_name(mreg r, unsigned size) {
    static const char *const name[VM_NREGS] = {
        "r0",  "r1",  "r2",  "r3",  "r4",  "r5",  "r6",  "r7",  "r8",  "r9",  "r10", "r11",
        "r12", "r13", "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23"};
    (void)size;
    return r < VM_NREGS ? name[r] : "?";
}

const struct target vm_target = {
    .name = "vm",
    .desc = vm_desc,
    .ndesc = VM_OP_COUNT,
    .nregs = VM_NREGS,
    .allocatable = (UINT32_C(1) << VM_NREGS) - 1,
    .order = vm_order,
    .op_move = VM_MOVE,
    .op_swap = VM_SWAP,
    .op_reload = VM_RELOAD,
    .op_spill = VM_SPILL,
    .op_jump = VM_JUMP,
    .op_phi = VM_PHI,
    .rematerializable = vm_rematerializable,
    .reg_name = vm_reg_name,
};
