/* sandbox.c: a seccomp filter (Linux, since 3.5) for the time while a program runs.
 *
 * A Brainfuck program can only read, write and end, so code that was made of one has no use for any
 * other system call.  If it makes one, because bfopt compiled it wrong or because somebody found
 * a way to steer it, the kernel ends the process before anything happened.
 *
 *   load the architecture    not ours: kill
 *   load the number          in the list: allow
 *                            mmap, mprotect: allow if the protection asks for no execution
 *                            else kill
 *
 * The list is what bfopt itself needs from the first instruction of the run to its exit status:
 * the buffers (runtime/io.c), the handler (fault.c) and messages (frontend/ending.c).
 */
#include "runtime/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef SANDBOX_ARCH
static const uint32_t sandbox_allowed[] = {
    SYS_read,         SYS_write,        SYS_ppoll, /* io.c */
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_close,        SYS_exit,         SYS_exit_group,    SYS_restart_syscall,
    SYS_rt_sigreturn, SYS_rt_sigaction, SYS_sigaltstack,   SYS_munmap, /* fault.c */
    SYS_brk,          SYS_madvise,      SYS_clock_gettime,             /* messages, --time-passes */
};
static const uint32_t sandbox_mapping[] = {SYS_mmap, SYS_mprotect};

#define SANDBOX_LOAD(field)                                                                        \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define SANDBOX_RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
/* Skips `then` instructions if the loaded word equals k, `otherwise` if not. */
#define SANDBOX_IF(k, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, then, otherwise)

#define SANDBOX_NALLOWED (sizeof sandbox_allowed / sizeof *sandbox_allowed)
#define SANDBOX_NMAPPING (sizeof sandbox_mapping / sizeof *sandbox_mapping)
#define SANDBOX_MAX      (2 * SANDBOX_NALLOWED + 5 * SANDBOX_NMAPPING + 8)

/* Appends instructions; the filter is small enough for the array by its size. */
#define SANDBOX_PUT(...)                                                                           \
    do {                                                                                           \
        const struct sock_filter put[] = {__VA_ARGS__};                                            \
        for (unsigned i = 0; i < sizeof put / sizeof *put; i++)                                    \
            to[n++] = put[i];                                                                      \
    } while (0)

static unsigned short sandbox_filter(struct sock_filter to[SANDBOX_MAX]) {
    unsigned short n = 0;
    SANDBOX_PUT(SANDBOX_LOAD(arch), SANDBOX_IF(SANDBOX_ARCH, 1, 0),
                SANDBOX_RETURN(SECCOMP_RET_KILL_PROCESS), SANDBOX_LOAD(nr));
    for (unsigned k = 0; k < SANDBOX_NALLOWED; k++)
        SANDBOX_PUT(SANDBOX_IF(sandbox_allowed[k], 0, 1), SANDBOX_RETURN(SECCOMP_RET_ALLOW));
    /* The third argument of both mapping calls is the protection. */
    for (unsigned k = 0; k < SANDBOX_NMAPPING; k++)
        SANDBOX_PUT(SANDBOX_IF(sandbox_mapping[k], 0, 4), SANDBOX_LOAD(args[2]),
                    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
                    SANDBOX_RETURN(SECCOMP_RET_KILL_PROCESS), SANDBOX_RETURN(SECCOMP_RET_ALLOW));
    SANDBOX_PUT(SANDBOX_RETURN(SECCOMP_RET_KILL_PROCESS));
    return n;
}

bool sandbox_enter(void) {
    struct sock_filter filter[SANDBOX_MAX];
    struct sock_fprog program = {.len = sandbox_filter(filter), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
bool sandbox_enter(void) {
    errno = ENOSYS;
    return false;
}
#endif
