/* plain.c: runs the tests of a program that was built with the stand-in for Criterion.
 *
 * The parent has no thread when it forks, and each test may set limits for its process.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct plain_test *plain_first;

void plain_add(struct plain_test *t) {
    t->next = plain_first;
    plain_first = t;
}

void plain_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    exit(1);
}

/* The exit status of the test, which reports of the sanitizer change. */
static int plain_run(const struct plain_test *t) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        t->run();
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

int main(void) {
    unsigned passed = 0, failed = 0;
    for (const struct plain_test *t = plain_first; t != NULL; t = t->next) {
        int status = plain_run(t);
        passed += status == 0;
        failed += status != 0;
        if (status != 0)
            printf("FAIL %s: status %x\n", t->name, (unsigned)status);
        fflush(stdout);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
