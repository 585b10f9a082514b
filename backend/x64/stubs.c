/* stubs.c: the fixed parts of a unit: prologue, epilogue, and what blocks call for I/O.
 *
 * A stub keeps every register but rax and the flags, so that the allocator sees nearly free calls.
 * Its fast path works on the buffer in struct rt; its slow path saves what C may destroy and calls
 * through the pointers in struct rt, so that the code holds no address.  A slow path that returns
 * nonzero has put the reason into rt->end: the run is over.
 */
#include <Zydis/Zydis.h>
#include <assert.h>
#include <stddef.h>

#include "backend/x64/emit.h"
#include "backend/x64/x64.h"
#include "runtime/rt.h"

#define M(name)    ZYDIS_MNEMONIC_##name
#define R(name)    op_reg(X64_##name, 8)
#define R4(name)   op_reg(X64_##name, 4)
#define R1(name)   op_reg(X64_##name, 1)
#define RT(field)  op_mem(X64_RCX, offsetof(struct rt, field), 8)
#define RT4(field) op_mem(X64_RCX, offsetof(struct rt, field), 4)

static_assert(sizeof(enum run_end) == 4, "stored as four bytes");
static_assert(sizeof(struct rt_slot) == 16 && offsetof(struct rt_slot, run) == 0,
              "called by index");

static const uint8_t callee_saved[] = {X64_RBX, X64_RBP, X64_R12, X64_R13, X64_R14, X64_R15};
/* With rcx and rdx, which every stub saves first, all that C may destroy but rax. */
static const uint8_t caller_saved[] = {X64_RSI, X64_RDI, X64_R8, X64_R9, X64_R10, X64_R11};
#define NSAVED 6

static void push_all(struct emitted *e, const uint8_t regs[NSAVED]) {
    for (unsigned n = 0; n < NSAVED; n++)
        emit1(e, M(PUSH), op_reg(regs[n], 8));
}

static void pop_all(struct emitted *e, const uint8_t regs[NSAVED]) {
    for (unsigned n = NSAVED; n-- > 0;)
        emit1(e, M(POP), op_reg(regs[n], 8));
}

void emit_prologue(struct emitted *e) {
    emit_place(e, LABEL_ENTER);
    e->used[LABEL_ENTER] = true;
    emit0(e, M(ENDBR64));
    push_all(e, callee_saved);
    emit2(e, M(SUB), R(RSP), op_imm(e->frame, 8));
    emit2(e, M(MOV), op_mem(X64_RSP, 0, 8), R(RDI));
    emit2(e, M(MOV), op_mem(X64_RDI, offsetof(struct rt, saved_sp), 8), R(RSP));
}

static void emit_epilogue(struct emitted *e) {
    emit_place(e, LABEL_EXIT);
    emit2(e, M(ADD), R(RSP), op_imm(e->frame, 8));
    pop_all(e, callee_saved);
    emit0(e, M(RET));
    e->used[LABEL_EXIT] = true;
    if (!e->used[LABEL_EXIT_STUB])
        return;
    emit_place(e, LABEL_EXIT_STUB);
    emit1(e, M(POP), R(RCX)); /* the return address into a block */
    emit1(e, M(JMP), op_label(LABEL_EXIT));
}

/* ---- stubs ---- */

/* rcx = struct rt *. */
static void stub_start(struct emitted *e, uint32_t label) {
    emit_item(e, ITEM_ALIGN)->in.disp = 16;
    emit_place(e, label);
    emit1(e, M(PUSH), R(RCX));
    emit1(e, M(PUSH), R(RDX));
    emit2(e, M(MOV), R(RCX), op_mem(X64_RSP, 24, 8));
}

static void stub_end(struct emitted *e) {
    emit1(e, M(POP), R(RDX));
    emit1(e, M(POP), R(RCX));
}

/* Calls a function of the run time: its first argument is struct rt *.  rax is pushed, which also
 * aligns the stack. */
static void call_start(struct emitted *e) {
    push_all(e, caller_saved);
    emit1(e, M(PUSH), R(RAX));
    emit2(e, M(MOV), R(RDI), R(RCX));
}

/* Ends the run if the function returned nonzero.  rax is what was pushed. */
static void call_end(struct emitted *e, size_t function) {
    emit1(e, M(CALL), op_mem(X64_RCX, function, 8));
    emit2(e, M(TEST), R4(RAX), R4(RAX));
    emit1(e, M(POP), R(RAX)); /* Pops leave the flags alone. */
    pop_all(e, caller_saved);
    stub_end(e);
    emit1(e, M(JNZ), op_label(LABEL_EXIT_STUB));
    emit0(e, M(RET));
}

static void stub_out(struct emitted *e) {
    stub_start(e, LABEL_OUT);
    emit2(e, M(MOV), R(RDX), RT(out_pos));
    emit2(e, M(CMP), R(RDX), RT(out_limit));
    emit1(e, M(JNB), op_label(LABEL_OUT_SLOW));
    emit2(e, M(MOV), op_mem(X64_RDX, 0, 1), R1(RAX));
    emit2(e, M(ADD), R(RDX), op_imm(1, 8));
    emit2(e, M(MOV), RT(out_pos), R(RDX));
    stub_end(e);
    emit0(e, M(RET));
    emit_place(e, LABEL_OUT_SLOW);
    call_start(e);
    emit2(e, M(MOVZX), R4(RSI), R1(RAX));
    call_end(e, offsetof(struct rt, out_byte));
}

static void stub_outs(struct emitted *e) {
    stub_start(e, LABEL_OUTS);
    call_start(e);
    emit2(e, M(MOV), R(RDX), op_mem(X64_RAX, 0, 8));
    emit2(e, M(LEA), R(RSI), op_mem(X64_RAX, 8, 8));
    call_end(e, offsetof(struct rt, out_bytes));
}

static void stub_in(struct emitted *e) {
    stub_start(e, LABEL_IN);
    emit2(e, M(MOV), R(RDX), RT(in_pos));
    emit2(e, M(CMP), R(RDX), RT(in_limit));
    emit1(e, M(JZ), op_label(LABEL_IN_SLOW));
    emit2(e, M(MOVZX), R4(RAX), op_mem(X64_RDX, 0, 1));
    emit2(e, M(ADD), R(RDX), op_imm(1, 8));
    emit2(e, M(MOV), RT(in_pos), R(RDX));
    stub_end(e);
    emit0(e, M(RET));
    emit_place(e, LABEL_IN_SLOW);
    call_start(e);
    emit2(e, M(MOV), R(RSI), R(RSP)); /* the pushed rax is the cell */
    call_end(e, offsetof(struct rt, in_cell));
}

static void stub_hash(struct emitted *e) {
    stub_start(e, LABEL_HASH);
    call_start(e);
    emit2(e, M(MOV), R(RSI), R(RAX));
    /* [rsp + 8] of the block, below nine pushes and the return address. */
    emit2(e, M(MOV), R4(RDX), op_mem(X64_RSP, 8 + 8 * 10, 4));
    call_end(e, offsetof(struct rt, hash));
}

/* Calls what runs a loop, and returns, unless the run is over. */
static void call_loop(struct emitted *e, struct operand function) {
    emit2(e, M(SUB), R(RSP), op_imm(8, 8)); /* calls want rsp to be a multiple of 16 */
    emit1(e, M(CALL), function);
    emit2(e, M(ADD), R(RSP), op_imm(8, 8));
    emit2(e, M(MOV), R(RCX), op_mem(X64_RSP, 8, 8));
    emit2(e, M(LEA), R(RDX), op_mem(X64_RSP, 8, 8));
    emit2(e, M(MOV), RT(saved_sp), R(RDX));
    emit2(e, M(CMP), RT4(end), op_imm(RUN_DONE, 4));
    emit1(e, M(JNZ), op_label(LABEL_EXIT_STUB));
    emit0(e, M(RET));
}

/* Runs a loop through rt->loop, or, if the stack is short, by the function that calls no unit.
 * The registers it may destroy are destroyed.  The unit that was called has set saved_sp. */
static void stub_call(struct emitted *e) {
    emit_item(e, ITEM_ALIGN)->in.disp = 16;
    emit_place(e, LABEL_CALL);
    emit2(e, M(MOV), R(RDI), op_mem(X64_RSP, 8, 8));
    emit2(e, M(LEA), R(RAX), op_mem(X64_RDI, offsetof(struct rt, loop_deep), 8));
    emit2(e, M(CMP), R(RSP), op_mem(X64_RDI, offsetof(struct rt, stack_limit), 8));
    emit1(e, M(JB), op_label(LABEL_CALL_LOOP));
    emit2(e, M(MOV), R4(RAX), R4(RDX));
    emit2(e, M(SHL), R(RAX), op_imm(__builtin_ctz(sizeof(struct rt_slot)), 1));
    emit2(e, M(ADD), R(RAX), op_mem(X64_RDI, offsetof(struct rt, loop), 8));
    emit_place(e, LABEL_CALL_LOOP);
    call_loop(e, op_mem(X64_RAX, 0, 8));
}

static void stub_look(struct emitted *e) {
    emit_item(e, ITEM_ALIGN)->in.disp = 16;
    emit_place(e, LABEL_LOOK);
    emit2(e, M(MOV), R(RDI), op_mem(X64_RSP, 8, 8));
    call_loop(e, op_mem(X64_RDI, offsetof(struct rt, look), 8));
}

/* Not a call: jumped to from a block. */
static void stub_trap(struct emitted *e) {
    emit_place(e, LABEL_TRAP);
    emit2(e, M(MOV), R(RCX), op_mem(X64_RSP, 0, 8));
    emit2(e, M(MOV), R4(RDX), op_mem(X64_RSP, 8, 4));
    emit2(e, M(MOV), RT4(end_src), R4(RDX));
    emit2(e, M(SUB), R(RAX), RT(tape.base));
    if (e->m->cell_bits > 8)
        emit2(e, M(SAR), R(RAX), op_imm(__builtin_ctz(e->m->cell_bits / 8), 1));
    emit2(e, M(MOV), RT(end_cell), R(RAX));
    emit2(e, M(MOV), RT4(end), op_imm(RUN_OFF_TAPE, 4));
    emit1(e, M(JMP), op_label(LABEL_EXIT));
}

#define NSTUBS 6

void emit_stubs(struct emitted *e) {
    static void (*const stub[])(struct emitted *) = {stub_out,  stub_outs, stub_in,
                                                     stub_hash, stub_call, stub_look};
    static const uint32_t label[] = {LABEL_OUT,  LABEL_OUTS, LABEL_IN,
                                     LABEL_HASH, LABEL_CALL, LABEL_LOOK};
    for (unsigned n = 0; n < NSTUBS; n++)
        e->used[LABEL_EXIT_STUB] |= e->used[label[n]];
    emit_epilogue(e);
    if (e->used[LABEL_TRAP])
        stub_trap(e);
    for (unsigned n = 0; n < NSTUBS; n++)
        if (e->used[label[n]])
            stub[n](e);
}
