/* interp_ops.h: what each instruction of vm.def does, as one interpreter function.  Included by
 * interp.c with BITS (cell width) and THREADED (1: computed goto, 0: a switch) defined; undefines
 * both.
 *
 * An instruction comes in up to four variants (enum vm_variant): a memory access `at` may have to
 * be checked against the tape; and register 0, where the allocator puts the pointer that most code
 * works on, is also kept in the local variable `ptr`, so that a walk along the tape does not wait
 * for the frame in each step.  Whatever writes a pointer to register 0 writes both. */

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
#define INSN(name)     L_##name:
#define CHECKED(name)  C_##name:
#define AT_PTR(name)   P_##name:
#define CHECK_PTR(name) Q_##name:
#else
#define RUN         JOIN(JOIN(run_, BITS), _switch)
#define NEXT_AT(d)                                                                                 \
    do {                                                                                           \
        w += (d);                                                                                  \
        goto dispatch;                                                                             \
    } while (0)
#define INSN(name)     case VM_##name:
#define CHECKED(name)  case VM_##name + VM_CHECKED * VM_OP_COUNT:
#define AT_PTR(name)   case VM_##name + VM_PTR * VM_OP_COUNT:
#define CHECK_PTR(name) case VM_##name + (VM_CHECKED + VM_PTR) * VM_OP_COUNT:
#endif
#define NEXT NEXT_AT(1)
#define GOTO(r) NEXT_AT((int32_t)w->r)
/* A branch: each way has its own indirect jump, so that the processor predicts the condition. */
#define BRANCH(cond, r)                                                                            \
    do {                                                                                           \
        if (cond)                                                                                  \
            GOTO(r);                                                                               \
        NEXT;                                                                                      \
    } while (0)

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
#define MEM_AT(name, base, base_ptr, body)                                                         \
    CHECKED(name) { CHECK(base) body }                                                             \
    INSN(name) { TAKE(base) body }                                                                 \
    CHECK_PTR(name) { CHECK(base_ptr) body }                                                       \
    AT_PTR(name) { TAKE(base_ptr) body }
#define MEM(name, body) MEM_AT(name, R(1), ptr, body)
#define C (*(CELL *)at)

static void RUN(const struct vm_code *code, struct vm_word *w, uint64_t *frame, struct rt *rt,
                uint8_t *entry) {
    const uintptr_t tape_base = (uintptr_t)rt->tape.base;
    const uint64_t tape_bytes = rt->tape.bytes;
    uint8_t *bad = NULL;
    bool flag = false;
    uint64_t ptr = 0;
#if THREADED
    static const void *const label[VM_VARIANTS * VM_OP_COUNT] = {
#define VM(name, ...)  [VM_##name] = &&L_##name,
#define VMP(name, ...) [VM_##name] = &&L_##name, [VM_##name + VM_PTR * VM_OP_COUNT] = &&P_##name,
#define VMM(name, ...)                                                                             \
    [VM_##name] = &&L_##name,                                                                      \
    [VM_##name + VM_CHECKED * VM_OP_COUNT] = &&C_##name,                                           \
    [VM_##name + VM_PTR * VM_OP_COUNT] = &&P_##name,                                               \
    [VM_##name + (VM_CHECKED + VM_PTR) * VM_OP_COUNT] = &&Q_##name,
#include "backend/vm/vm.def"
#undef VM
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

    INSN(PHI)
    INSN(RELOAD)
    INSN(SPILL) {
        __builtin_unreachable(); /* decoded to moves, or gone */
    }
    INSN(MOVE) { R(0) = R(1); NEXT; }
    AT_PTR(MOVE) { SET_PTR(R(1)); NEXT; }
    INSN(SWAP) {
        uint64_t t = R(0);
        R(0) = R(1);
        R(1) = t;
        ptr = frame[0];
        NEXT;
    }
    INSN(CONST) { R(0) = (uint64_t)w->imm; NEXT; }

    INSN(ADD) { R(0) = X(R(1) + R(2)); NEXT; }
    INSN(ADD_I) { R(0) = X(R(1) + (uint64_t)w->imm); NEXT; }
    INSN(SUB) { R(0) = X(R(1) - R(2)); NEXT; }
    INSN(RSUB_I) { R(0) = X((uint64_t)w->imm - R(1)); NEXT; }
    INSN(MUL) { R(0) = X(R(1) * R(2)); NEXT; }
    INSN(MUL_I) { R(0) = X(R(1) * (uint64_t)w->imm); NEXT; }
    INSN(AND) { R(0) = R(1) & R(2); NEXT; }
    INSN(AND_I) { R(0) = R(1) & (uint64_t)w->imm; NEXT; }
    INSN(OR) { R(0) = R(1) | R(2); NEXT; }
    INSN(OR_I) { R(0) = R(1) | (uint64_t)w->imm; NEXT; }
    INSN(XOR) { R(0) = R(1) ^ R(2); NEXT; }
    INSN(XOR_I) { R(0) = R(1) ^ (uint64_t)w->imm; NEXT; }
    INSN(SHL) { R(0) = X(R(1) << (R(2) % BITS)); NEXT; }
    INSN(SHL_I) { R(0) = X(R(1) << ((uint64_t)w->imm % BITS)); NEXT; }
    INSN(SHR) { R(0) = R(1) >> (R(2) % BITS); NEXT; }
    INSN(SHR_I) { R(0) = R(1) >> ((uint64_t)w->imm % BITS); NEXT; }
    INSN(EQ) { R(0) = R(1) == R(2); NEXT; }
    INSN(EQ_I) { R(0) = R(1) == (uint64_t)w->imm; NEXT; }
    INSN(NE) { R(0) = R(1) != R(2); NEXT; }
    INSN(NE_I) { R(0) = R(1) != (uint64_t)w->imm; NEXT; }
    INSN(ULT) { R(0) = R(1) < R(2); NEXT; }
    INSN(ULT_I) { R(0) = R(1) < (uint64_t)w->imm; NEXT; }
    INSN(UGT_I) { R(0) = R(1) > (uint64_t)w->imm; NEXT; }
    INSN(TEST) { flag = R(1) != 0; NEXT; }
    INSN(SEL) { R(0) = flag ? R(2) : R(1); NEXT; }

    INSN(LEA) { R(0) = R(1) + (uint64_t)w->imm; NEXT; }
    AT_PTR(LEA) { SET_PTR(R(1) + (uint64_t)w->imm); NEXT; }
    AT_PTR(SCAN)
    INSN(SCAN) {
        uint8_t *at = JOIN(scan_, BITS)(&rt->tape, AT(R(1)), w->imm);
        if (__builtin_expect(OFF_TAPE(at), 0)) {
            bad = at;
            goto off_tape;
        }
        R(0) = (uintptr_t)at - (uintptr_t)(intptr_t)w->disp;
        ptr = frame[0];
        NEXT;
    }

    INSN(WALK) {
        __builtin_unreachable(); /* decoded to WALK_ALL, or a move */
    }
    INSN(WALK_ALL) {
        const struct vm_walk *k = &code->walk[w->imm];
        struct vm_walked to = k->run(k, (uint8_t *)(uintptr_t)R(1));
        *(uint64_t *)((char *)frame + (to.more ? w->r0 : (uint32_t)w->disp)) = (uintptr_t)to.p;
        ptr = frame[0];
        BRANCH(to.more == 0, r2);
    }
    AT_PTR(WALK_ALL) {
        const struct vm_walk *k = &code->walk[w->imm];
        struct vm_walked to = k->run(k, (uint8_t *)(uintptr_t)ptr);
        SET_PTR((uintptr_t)to.p);
        BRANCH(to.more == 0, r2);
    }

    MEM(LOAD, { R(0) = C; NEXT; })
    MEM(STORE, { C = X(R(2)); NEXT; })
    MEM(STORE_I, { C = X(w->imm); NEXT; })
    MEM(ADD_M, { C = X(C + R(2)); NEXT; })
    MEM(ADD_MI, { C = X(C + (uint64_t)w->imm); NEXT; })
    MEM(SUB_M, { C = X(C - R(2)); NEXT; })
    MEM(MADD_M, { C = X(C + R(2) * (uint64_t)w->imm); NEXT; })
    MEM(TOUCH, { (void)at; NEXT; })

    INSN(OUT) {
        if (rt_out(rt, (uint8_t)R(1)) != 0)
            return;
        NEXT;
    }
    MEM(OUT_M, {
        if (rt_out(rt, (uint8_t)C) != 0)
            return;
        NEXT;
    })
    INSN(OUTS) {
        const struct ir_string *s = &code->ir->string[w->imm];
        if (rt_out_bytes(rt, (const uint8_t *)code->ir->text + s->start, s->len) != 0)
            return;
        NEXT;
    }
    INSN(LOOKUP) {
        const struct ir_string *s = &code->ir->string[w->imm];
        R(0) = (uint8_t)code->ir->text[s->start + (R(1) & 255)];
        NEXT;
    }
    INSN(IN) {
        uint64_t cell = R(1);
        if (rt_in(rt, &cell) != 0)
            return;
        R(0) = X(cell);
        NEXT;
    }
    INSN(HASH) {
        if (rt->hash != NULL && rt->hash(rt, AT(R(1)), code->src[w - code->word]) != 0)
            return;
        NEXT;
    }

    INSN(ENTRY) {
        R(0) = (uintptr_t)entry;
        ptr = frame[0];
        NEXT;
    }
    INSN(RET) {
        rt->end_pointer = (int64_t)(R(1) - tape_base) / (BITS / 8);
        return;
    }
    INSN(TRAP) {
        bad = AT(R(1));
        goto off_tape;
    }

    INSN(JUMP) { GOTO(r0); }
    INSN(BRNZ) { BRANCH(R(1) != 0, r0); }
    INSN(BRZ) { BRANCH(R(1) == 0, r0); }
    MEM(BRNZ_M, { BRANCH(C != 0, r0); })
    MEM(BRZ_M, { BRANCH(C == 0, r0); })
    INSN(BREQ) { BRANCH(R(1) == R(2), r0); }
    INSN(BRNE) { BRANCH(R(1) != R(2), r0); }
    INSN(BREQ_I) { BRANCH(R(1) == (uint64_t)w->imm, r0); }
    INSN(BRNE_I) { BRANCH(R(1) != (uint64_t)w->imm, r0); }
    INSN(BRLT) { BRANCH(R(1) < R(2), r0); }
    INSN(BRGE) { BRANCH(R(1) >= R(2), r0); }
    INSN(BRLT_I) { BRANCH(R(1) < (uint64_t)w->imm, r0); }
    INSN(BRGE_I) { BRANCH(R(1) >= (uint64_t)w->imm, r0); }
    MEM(ADD_BRNZ, { BRANCH((C = X(C + (uint64_t)w->imm)) != 0, r2); })
    MEM(ADD_BRZ, { BRANCH((C = X(C + (uint64_t)w->imm)) == 0, r2); })
#define MOVED     (R(0) = R(1) + (uint64_t)w->imm)
#define MOVED_PTR SET_PTR(ptr + (uint64_t)w->imm)
    MEM_AT(LEA_BRNZ, MOVED, MOVED_PTR, { BRANCH(C != 0, r2); })
    MEM_AT(LEA_BRZ, MOVED, MOVED_PTR, { BRANCH(C == 0, r2); })
#undef MOVED
#undef MOVED_PTR
    MEM(LOAD_BRNZ, { BRANCH((R(0) = C) != 0, r2); })
    MEM(LOAD_BRZ, { BRANCH((R(0) = C) == 0, r2); })
    MEM(ADD_CLEAR, {
        C = X(C + R(2));
        *(CELL *)(uintptr_t)(R(0) + (uint64_t)w->imm) = 0;
        NEXT;
    })
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
#undef CHECKED
#undef AT_PTR
#undef CHECK_PTR
#undef TAKE
#undef CHECK
#undef SET_PTR
#undef GOTO
#undef BRANCH
#undef AT
#undef OFF_TAPE
#undef MEM_AT
#undef MEM
#undef C
#undef BITS
#undef THREADED
