/* memory_stat.c: linked into builds with MemorySanitizer, which does not know, in clang 14, that
 * fstat64 of new versions of libc writes what it is given. */
#include <string.h>
#include <sys/stat.h>

int __real_fstat64(int fd, struct stat64 *st);
int __wrap_fstat64(int fd, struct stat64 *st);

int __wrap_fstat64(int fd, struct stat64 *st) {
    memset(st, 0, sizeof *st);
    return __real_fstat64(fd, st);
}
