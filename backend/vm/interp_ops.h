/* interp_ops.h: one interpreter function, of the bodies in bodies.h.  Included by interp.c with
 * BITS (cell width) and THREADED (1: computed goto, 0: a switch) defined; undefines both.
 *
 * An instruction comes in up to four variants (enum vm_variant): a memory access `at` may have to
 * be checked against the tape; and register 0, where the allocator puts the pointer that most code
 * works on, is also kept in the local variable `ptr`, so that a walk along the tape does not wait
 * for the frame in each step.  Whatever writes a pointer to register 0 writes both.
 *
 * A fused sequence (fused.def) runs the bodies of several words that stand one behind the other,
 * which are as they would be without it, but for the first word's op.  So any of them may be jumped
 * to, and w is the right one wherever a body fails. */

#define CELL JOIN(JOIN(uint, BITS), _t)
#define R(n) (*(uint64_t *)((char *)frame + w->r##n))
#define X(v) ((CELL)(v)) /* a register as a cell */

#if THREADED
#define RUN         JOIN(JOIN(run_, BITS), _threaded)
#define NEXT_AT(d)                                                                                 \
    do {                                                                                           \
        w += (d);                                                                                  \
        goto *w->go;                                                                               \
    } while (0)
#define INSN(name, v) L##v##_##name:
#define FUSED(name)   F_##name:
#else
#define RUN         JOIN(JOIN(run_, BITS), _switch)
#define NEXT_AT(d)                                                                                 \
    do {                                                                                           \
        w += (d);                                                                                  \
        goto dispatch;                                                                             \
    } while (0)
#define INSN(name, v) case VM_##name + v * VM_OP_COUNT:
#define FUSED(name)   case VM_FUSED_##name:
#endif
#define NEXT NEXT_AT(1)
#define GOTO(r) NEXT_AT((int32_t)w->r)
/* A branch: each way has its own indirect jump, so that the processor predicts the condition. */
#define BRANCH(cond, r)                                                                            \
    if (cond)                                                                                      \
        GOTO(r);

#define AT(base) ((uint8_t *)((uintptr_t)(base) + (uintptr_t)(intptr_t)w->disp))
#define OFF_TAPE(p) ((uint64_t)((uintptr_t)(p) - tape_base) >= tape_bytes)
#define TAKE(base)  uint8_t *at = AT(base);
#define CHECK(base)                                                                                \
    TAKE(base)                                                                                     \
    if (__builtin_expect(OFF_TAPE(at), 0)) {                                                       \
        bad = at;                                                                                  \
        goto off_tape;                                                                             \
    }
#define SET_PTR(x) (frame[0] = ptr = (x))
#define C (*(CELL *)at)

/* One step: body and, by variant, what stands before it. */
#define STEP_R(name)    { DO_##name }
#define STEP_P(name)    { DO_P_##name }
#define STEP_0(name)    { TAKE(R(1)) DO_##name }
#define STEP_1(name)    { CHECK(R(1)) DO_##name }
#define STEP_2(name)    { TAKE(ptr) DO_##name }
#define STEP_3(name)    { CHECK(ptr) DO_##name }
/* Those that move the pointer first. */
#define MOVED           (R(0) = R(1) + I)
#define MOVED_PTR       SET_PTR(ptr + I)
#define STEP_M0(name)   { TAKE(MOVED) DO_##name }
#define STEP_M1(name)   { CHECK(MOVED) DO_##name }
#define STEP_M2(name)   { TAKE(MOVED_PTR) DO_##name }
#define STEP_M3(name)   { CHECK(MOVED_PTR) DO_##name }

static void RUN(const struct vm_code *code, struct vm_word *w, uint64_t *frame, struct rt *rt,
                uint8_t *entry) {
    const uintptr_t tape_base = (uintptr_t)rt->tape.base;
    const uint64_t tape_bytes = rt->tape.bytes;
    uint8_t *bad = NULL;
    bool flag = false;
    uint64_t ptr = 0;
#if THREADED
    static const void *const label[VM_DECODED_COUNT] = {
#define VM(name, ...)  [VM_##name] = &&L0_##name,
#define VMP(name, ...) [VM_##name] = &&L0_##name, [VM_##name + VM_PTR * VM_OP_COUNT] = &&L2_##name,
#define VMM(name, ...)                                                                             \
    [VM_##name] = &&L0_##name,                                                                     \
    [VM_##name + VM_CHECKED * VM_OP_COUNT] = &&L1_##name,                                          \
    [VM_##name + VM_PTR * VM_OP_COUNT] = &&L2_##name,                                              \
    [VM_##name + (VM_CHECKED + VM_PTR) * VM_OP_COUNT] = &&L3_##name,
#define VMB VMM
#include "backend/vm/vm.def"
#undef VM
#define FUSE2(name, a, b)       [VM_FUSED_##name] = &&F_##name,
#define FUSE3(name, a, b, c)    [VM_FUSED_##name] = &&F_##name,
#define FUSE4(name, a, b, c, d) [VM_FUSED_##name] = &&F_##name,
#include "backend/vm/fused.def"
    };
    if (!code->threaded) {
        for (uint32_t i = 0; i < code->n; i++)
            w[i].go = label[w[i].op];
        ((struct vm_code *)(uintptr_t)code)->threaded = true;
    }
    goto *w->go;
#else
dispatch:
    switch (w->op) {
#endif

#define VM(name, ...)  INSN(name, 0) { STEP_R(name) NEXT; }
#define VMP(name, ...) INSN(name, 0) { STEP_R(name) NEXT; } INSN(name, 2) { STEP_P(name) NEXT; }
#define VMM(name, ...)                                                                             \
    INSN(name, 0) { STEP_0(name) NEXT; }                                                           \
    INSN(name, 1) { STEP_1(name) NEXT; }                                                           \
    INSN(name, 2) { STEP_2(name) NEXT; }                                                           \
    INSN(name, 3) { STEP_3(name) NEXT; }
#define VMB(name, ...)                                                                             \
    INSN(name, 0) { STEP_M0(name) NEXT; }                                                          \
    INSN(name, 1) { STEP_M1(name) NEXT; }                                                          \
    INSN(name, 2) { STEP_M2(name) NEXT; }                                                          \
    INSN(name, 3) { STEP_M3(name) NEXT; }
#include "backend/vm/vm.def"
#undef VM

#define STEP(v, name)           STEP_##v(name)
#define FUSE2(name, a, b)       FUSED(name) { STEP a w++; STEP b NEXT; }
#define FUSE3(name, a, b, c)    FUSED(name) { STEP a w++; STEP b w++; STEP c NEXT; }
#define FUSE4(name, a, b, c, d) FUSED(name) { STEP a w++; STEP b w++; STEP c w++; STEP d NEXT; }
#include "backend/vm/fused.def"
#if !THREADED
    }
#endif

off_tape:
    rt->end = RUN_OFF_TAPE;
    rt->end_src = code->src[w - code->word];
    rt->end_cell = (int64_t)((uintptr_t)bad - tape_base) / (BITS / 8);
}

#undef CELL
#undef R
#undef X
#undef RUN
#undef NEXT_AT
#undef NEXT
#undef INSN
#undef FUSED
#undef GOTO
#undef BRANCH
#undef AT
#undef OFF_TAPE
#undef TAKE
#undef CHECK
#undef SET_PTR
#undef C
#undef STEP_R
#undef STEP_P
#undef STEP_0
#undef STEP_1
#undef STEP_2
#undef STEP_3
#undef MOVED
#undef MOVED_PTR
#undef STEP_M0
#undef STEP_M1
#undef STEP_M2
#undef STEP_M3
#undef STEP
#undef BITS
#undef THREADED
