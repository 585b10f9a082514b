/* rt.h: the state of a run that every engine shares: tape, input, output, and how it ended.
 *
 * Engines differ in how they execute; what they execute on is this.  io.c moves bytes, tape.c maps
 * memory, fault.c turns a hardware fault of generated code into an ending.  These three files are
 * also the run time of standalone programs (`bfopt -S`): they depend on libc only, allocate no
 * memory but the tape, and print nothing but through rt_write_all.
 */
#ifndef BFOPT_RUNTIME_RT_H
#define BFOPT_RUNTIME_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum eof_mode { EOF_UNCHANGED, EOF_ZERO, EOF_MINUS_ONE };

enum run_end {
    RUN_DONE,
    RUN_OFF_TAPE,  /* rt.end_src, rt.end_cell */
    RUN_IN_ERROR,  /* rt.end_errno */
    RUN_OUT_ERROR, /* rt.end_errno */
    RUN_MAX_STEPS,
    RUN_INTERRUPTED, /* rt.end_errno: the signal */
};

#define RT_OUT_SIZE 65536
#define RT_IN_SIZE  65536

/* The tape: reservation = guard | cells | guard, the guards without access. */
struct tape {
    uint8_t *base;     /* cell 0 */
    uint64_t bytes;    /* a whole number of pages */
    uint8_t *reserved; /* start of the reservation */
    uint64_t reserved_bytes;
    uint64_t guard; /* bytes on each side; 0: none, every access must be checked */
    unsigned cell_bytes;
};

struct rt;
/* Runs a loop of the program, whose number it is given, from this pointer; returns the pointer
 * behind it, unless rt->end says that the run is over. */
typedef uint8_t *rt_loop(struct rt *rt, uint8_t *pointer, uint32_t number);

/* What generated code knows of a loop of the tiers (runtime/tiers.h); 16 bytes. */
struct rt_slot {
    rt_loop *run;
    uint32_t budget; /* rounds until rt->look is asked */
    uint32_t entries;
};

struct rt {
    /* Used by generated code at fixed offsets (backend/x64): keep the order. */
    uint8_t *out_pos, *out_limit;                /* next free byte; first byte past the buffer */
    uint8_t *in_pos, *in_limit;                  /* next unread byte; end of what was read */
    int (*out_byte)(struct rt *, uint32_t byte); /* slow paths: 0, or nonzero to end the run */
    int (*out_bytes)(struct rt *, const uint8_t *p, uint64_t n);
    int (*in_cell)(struct rt *, uint64_t *cell); /* *cell: old value in, new value out */
    int (*hash)(struct rt *, uint8_t *pointer, uint32_t src);
    void *saved_sp; /* stack pointer of the innermost unit's frame */

    enum eof_mode eof;
    struct tape tape;
    int in_fd, out_fd;
    bool out_tty; /* flush at every newline */
    bool in_eof;
    uint64_t in_count, out_count; /* bytes of finished buffers; see rt_bytes_in, rt_bytes_out */
    uint8_t *in_start;            /* first byte of the present input buffer */

    enum run_end end;
    uint32_t end_src; /* source offset of the operation at fault */
    int64_t end_cell; /* cell index it tried to touch */
    int end_errno;
    int64_t end_pointer; /* final pointer as a cell index, when an engine knows it */

    /* The run can be asked to end: the first signal (see rt_catch_signals) is put into `asked`, and
     * whoever notices it ends the run as RUN_INTERRUPTED. */
    bool can_ask;
    volatile int asked; /* what sig_atomic_t is; its header declares much else */

    /* Units of the tiers (runtime/tiers.h) reach other loops through these. */
    struct rt_slot *loop; /* by number of a loop */
    rt_loop *loop_deep;   /* runs it while the stack pointer is below stack_limit */
    rt_loop *look;        /* at its head, its budget is used up: NULL if it is to go on */
    void *stack_limit;
    struct tiers *tiers;

    uint8_t out_buf[RT_OUT_SIZE], in_buf[RT_IN_SIZE];
};

/* ---- io.c ---- */

/* Sets up I/O on two descriptors.  An in_fd of -1 reads as an empty input. */
void rt_io_init(struct rt *rt, int in_fd, int out_fd, enum eof_mode eof);
/* Makes these n bytes (which must stay valid) the first of the input, before in_fd is read. */
void rt_preload(struct rt *rt, const uint8_t *p, size_t n);
/* Writes out what is buffered.  0, or nonzero after an error (end, end_errno are set). */
int rt_flush(struct rt *rt);
/* From now on SIGINT, SIGTERM and SIGHUP write out rt's output and end the process with status
 * 128 + signal (unless they were ignored), or ask the run to end, once, if it can be asked; NULL:
 * restores what was before. */
void rt_catch_signals(struct rt *rt);
/* Bytes the program has read and written so far. */
static inline uint64_t rt_bytes_in(const struct rt *rt) {
    return rt->in_count + (uint64_t)(rt->in_pos - rt->in_start);
}
static inline uint64_t rt_bytes_out(const struct rt *rt) {
    return rt->out_count + (uint64_t)(rt->out_pos - rt->out_buf);
}
/* Writes all n bytes to fd, through EINTR, short writes and EAGAIN (waits).  0 or errno. */
int rt_write_all(int fd, const void *p, size_t n);

/* `.`: one byte to the buffer; flushes when full, or at a newline on a terminal. */
static inline int rt_out(struct rt *rt, uint8_t byte) {
    if (__builtin_expect(rt->out_pos < rt->out_limit, 1)) {
        *rt->out_pos++ = byte;
        return 0;
    }
    return rt->out_byte(rt, byte);
}
int rt_out_bytes(struct rt *rt, const uint8_t *p, uint64_t n);
/* `,`: reads a byte into *cell; at the end of input does what rt->eof says (for cells of
 * rt->tape.cell_bytes).  Flushes the output before it waits for input. */
int rt_in(struct rt *rt, uint64_t *cell);

/* ---- tape.c ---- */

/* Maps `cells` cells (rounded up to whole pages).  `drift`: how many bytes past an access the
 * pointer can be carried before the next one (guards grow by it).  A reservation that fails falls
 * back to 32 MiB guards, then to none (tape.guard = 0), as does want_guards false.
 * False: no memory. */
bool tape_map(struct tape *t, uint64_t cells, unsigned cell_bytes, uint64_t drift,
              bool want_guards);
void tape_unmap(struct tape *t);
static inline uint64_t tape_cells(const struct tape *t) {
    return t->bytes / t->cell_bytes;
}
/* Rounds a number of cells up to whole pages, as tape_map does. */
uint64_t tape_round(uint64_t cells, unsigned cell_bytes);

/* ---- fault.c ---- */

/* One place where generated code may leave the tape: exact code offset of the instruction. */
struct trap_site {
    uint32_t code; /* offset of the instruction in the unit's code */
    uint32_t src;  /* source offset */
};
/* Code in which faults of tape accesses are expected; registered before it runs. */
struct fault_unit {
    const uint8_t *code;
    uint32_t size;
    const struct trap_site *site; /* sorted by code */
    uint32_t nsite;
    const uint8_t *exit_stub; /* where to continue after a trap, with rsp = rt->saved_sp */
    /* The source positions of the code, for profiles: each from its offset to the next; UINT32_MAX
     * in the fixed parts.  Sorted by code; empty unless asked for. */
    const struct trap_site *place;
    uint32_t nplace;
    const struct fault_unit *next; /* fault.c's */
};
/* Installs the SIGSEGV handler (own stack) for one run of generated code on rt.  A fault is taken
 * only when the kernel raised it for an address inside the tape's reservation at a registered
 * site; it sets rt->end, end_src, end_cell and continues at exit_stub.  Anything else is a bug in
 * the compiler: the previous action is restored and the fault happens again.  False: no memory or
 * no handler could be set.  fault_add registers units, before they run and by the thread that runs
 * them. */
bool fault_install(struct rt *rt);
void fault_add(struct fault_unit *unit);
void fault_remove(void);
/* The registered unit whose code this is, or NULL. */
const struct fault_unit *fault_unit_at(uintptr_t pc);

#endif
