/* fault.c: turns a hardware fault of generated code at the edge of the tape into the end of a run.
 *
 * The handler runs on a stack of its own.  It takes a fault only if everything says that it is an
 * access of the program outside its tape: a run is under way, the kernel raised the signal for an
 * address in the tape's reservation, and the instruction is registered as one that may leave the
 * tape.  It then notes where, and lets the interrupted thread go on at the exit stub with the stack
 * pointer of the entry, as if the code had returned by itself.
 * Any other fault is an error in bfopt: the handler steps aside and the fault happens again.
 * Only plain memory is touched, so the handler may interrupt anything.  Depends on libc only.
 */
#include "runtime/rt.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define FAULT_STACK     65536u /* at least; more where register state is large */
#define FAULT_STACK_OWN 16384u /* of it for the handler itself */

static struct rt *fault_rt;
static const struct fault_unit *fault_units; /* the last one registered, linked to the others */
/* Installed and not yet taken.  Written last on installation, first on removal. */
static volatile sig_atomic_t fault_armed;

static struct sigaction fault_before;
static stack_t fault_stack_before;
static uint8_t *fault_stack; /* with a page without access below */
static size_t fault_stack_bytes;

const struct fault_unit *fault_unit_at(uintptr_t pc) {
    const struct fault_unit *u = fault_units;
    while (u != NULL && pc - (uintptr_t)u->code >= u->size)
        u = u->next;
    return u;
}

/* The site of the instruction at this offset of the code, or NULL. */
static const struct trap_site *fault_find(const struct fault_unit *u, uint32_t code) {
    uint32_t low = 0, high = u->nsite;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (u->site[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < u->nsite && u->site[low].code == code ? &u->site[low] : NULL;
}

/* The index of the cell at an address of the reservation; negative left of the tape. */
static int64_t fault_cell(const struct tape *t, uintptr_t address) {
    int64_t bytes = (int64_t)(address - (uintptr_t)t->base);
    int64_t width = (int64_t)t->cell_bytes;
    return bytes >= 0 ? bytes / width : -((-bytes + width - 1) / width);
}

#if defined(__x86_64__)
/* If this is a fault the program committed, notes it, directs the thread to the exit stub and
 * returns true. */
static bool fault_take(const siginfo_t *info, ucontext_t *context) {
    if (!fault_armed || (info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR))
        return false;
    const struct tape *t = &fault_rt->tape;
    uintptr_t address = (uintptr_t)info->si_addr;
    uintptr_t pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    const struct fault_unit *unit = fault_unit_at(pc);
    if (address - (uintptr_t)t->reserved >= t->reserved_bytes || unit == NULL)
        return false;
    const struct trap_site *site =
        fault_find(unit, (uint32_t)(pc - (uintptr_t)unit->code));
    if (site == NULL)
        return false;
    fault_rt->end = RUN_OFF_TAPE;
    fault_rt->end_src = site->src;
    fault_rt->end_cell = fault_cell(t, address);
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)unit->exit_stub;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)fault_rt->saved_sp;
    return true;
}
#endif

static void fault_handler(int signal_number, siginfo_t *info, void *context) {
#if defined(__x86_64__)
    if (fault_take(info, context))
        return;
#else
    (void)context;
#endif
    /* Not ours: what was there before gets it, by the same instruction, or by a signal sent anew
     * that waits until this handler is left. */
    fault_armed = 0;
    sigaction(signal_number, &fault_before, NULL);
    if (info->si_code <= 0)
        raise(signal_number);
}

/* Maps and sets the stack of the handler. */
static bool fault_set_stack(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t need = (size_t)getauxval(AT_MINSIGSTKSZ) + FAULT_STACK_OWN;
    size_t size = ((need > FAULT_STACK ? need : FAULT_STACK) + page - 1) / page * page;
    fault_stack_bytes = page + size;
    void *p = mmap(NULL, fault_stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    fault_stack = p;
    stack_t stack = {.ss_sp = fault_stack + page, .ss_size = size};
    if (mprotect(fault_stack + page, size, PROT_READ | PROT_WRITE) == 0 &&
        sigaltstack(&stack, &fault_stack_before) == 0)
        return true;
    munmap(fault_stack, fault_stack_bytes);
    fault_stack = NULL;
    return false;
}

static void fault_drop_stack(void) {
    sigaltstack(&fault_stack_before, NULL);
    munmap(fault_stack, fault_stack_bytes);
    fault_stack = NULL;
}

void fault_add(struct fault_unit *unit) {
    unit->next = fault_units;
    fault_units = unit;
}

bool fault_install(struct rt *rt) {
    if (!fault_set_stack())
        return false;
    fault_rt = rt;
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &fault_before) != 0) {
        fault_drop_stack();
        return false;
    }
    fault_armed = 1;
    return true;
}

void fault_remove(void) {
    if (fault_stack == NULL)
        return;
    fault_armed = 0;
    sigaction(SIGSEGV, &fault_before, NULL);
    fault_drop_stack();
    fault_rt = NULL;
    fault_units = NULL;
}
