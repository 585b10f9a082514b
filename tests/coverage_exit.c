/* coverage_exit.c: linked into what ./dev coverage runs: counts are written, too, by processes that
 * end by _exit, as after a signal, or by SIGSEGV, and before a sandbox is closed, which forbids
 * opening their files. */
#include <gcov.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_prctl(int operation, ...);
int __wrap_prctl(int operation, ...);

_Noreturn void __wrap__exit(int status) {
    __gcov_dump();
    __real__exit(status);
}

int __wrap_prctl(int operation, ...) {
    unsigned long argument[4];
    va_list ap;
    if (operation == PR_SET_SECCOMP)
        __gcov_dump();
    va_start(ap, operation);
    for (int i = 0; i < 4; i++)
        argument[i] = va_arg(ap, unsigned long);
    va_end(ap);
    return __real_prctl(operation, argument[0], argument[1], argument[2], argument[3]);
}

static void on_crash(int signal_number) {
    __gcov_dump();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static __attribute__((constructor)) void catch_crash(void) {
    signal(SIGSEGV, on_crash);
}
