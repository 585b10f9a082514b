/* vm.h: the "vm" target: the IR as instructions of a register machine, and its interpreter.
 *
 * The same struct mach and the same register allocator as for x86-64; registers are slots of a
 * frame.  vm.c has the tables, isel.c selects instructions, interp.c runs them. */
#ifndef BFOPT_BACKEND_VM_VM_H
#define BFOPT_BACKEND_VM_VM_H

#include "backend/mach.h"
#include "ir/ir.h"
#include "runtime/rt.h"

enum vm_op {
#define VM(name, ...) VM_##name,
#include "backend/vm/vm.def"
#undef VM
    VM_OP_COUNT
};

#define VM_NREGS 24

extern const struct target vm_target;

/* Names of the selection rules, by minsn.rule; rule 0 is the allocator's. */
extern const char *const vm_rule_name[];
extern const unsigned vm_rule_count;

/* Selects instructions for f (which is not changed); free with mach_free. */
struct mach *vm_select(struct func *f);

enum vm_dispatch {
    VM_THREADED, /* computed goto: each instruction jumps to the next one's code */
    VM_SWITCH,   /* one switch in a loop, from the same instruction bodies; for comparison */
};

/* Runs an allocated function on rt (whose tape and I/O are set up), entered at `pointer`; sets
 * rt->end and, unless the run failed, rt->end_pointer. */
void vm_run(const struct mach *m, struct rt *rt, uint8_t *pointer, enum vm_dispatch dispatch);

#endif
