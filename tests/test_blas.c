/* OpenBLAS on a CPU that it does not know: the library corrects the choice of kernels, once, unless
 * it is told to leave it alone. OpenBLAS reads the environment before `main`, so each case is this
 * program again, with another environment. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/blas_core.h"
#include "kernel/cpu.h"
#include "kernel/gemm.h"
#include "suite.h"

static const char variable[] = "OPENBLAS_CORETYPE";
enum { SIZE = 33, BAD_CORE = 2, BAD_ENVIRONMENT, BAD_RESULT };

static bool product_is_right(void) {
    static float a[SIZE * SIZE], b[SIZE * SIZE], c[SIZE * SIZE];
    bpi_product p = {SIZE, SIZE, SIZE, SIZE, SIZE, SIZE, false, true};
    for (int i = 0; i < SIZE * SIZE; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
    }
    if (!bpi_blas_f32(&p, 1, a, b, 0, c))
        return false;
    for (int i = 0; i < SIZE * SIZE; i++) {
        float sum = 0;
        for (int l = 0; l < SIZE; l++)
            sum += a[i / SIZE * SIZE + l] * b[i % SIZE * SIZE + l];
        if (c[i] != sum)
            return false;
    }
    return true;
}

/* In the child: multiplies, and compares the core that is then in use with the wanted one. */
static int child(const char *wanted) {
    const char *before = getenv(variable);
    char kept[32] = "";
    if (before)
        strncpy(kept, before, sizeof kept - 1);
    for (int twice = 0; twice < 2; twice++)
        if (!product_is_right())
            return BAD_RESULT;
    const char *after = getenv(variable);
    if ((before != NULL) != (after != NULL) || (after && strcmp(after, kept) != 0))
        return BAD_ENVIRONMENT;
    return strcasecmp(bpi_blas_core(), wanted) == 0 ? EXIT_SUCCESS : BAD_CORE;
}

/* The exit code of a child with OPENBLAS_CORETYPE and BP_BLAS_CORE set as told,
 * or not where NULL. */
static int run_child(const char *type, const char *keep, const char *wanted) {
    pid_t pid = fork();
    if (pid == 0) {
        unsetenv(variable);
        unsetenv("BP_BLAS_CORE");
        if (type)
            setenv(variable, type, 1);
        if (keep)
            setenv("BP_BLAS_CORE", keep, 1);
        execl("/proc/self/exe", "test_blas", wanted, (char *)NULL);
        _exit(99);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool can_choose(void) {
    return strcmp(bpi_blas_core(), "none") != 0 && strcmp(bpi_blas_core(), "unknown") != 0 &&
           (bpi_cpu_level() == BPI_CPU_AVX2 || bpi_cpu_level() == BPI_CPU_AVX512);
}

START_TEST(kernels_below_what_the_cpu_can_do_are_replaced) {
    const char *best = bpi_cpu_level() == BPI_CPU_AVX512 ? "SkylakeX" : "Haswell";
    if (!can_choose())
        return;
    ck_assert_int_eq(run_child("Prescott", NULL, best), EXIT_SUCCESS);
    ck_assert_int_eq(run_child("Nehalem", NULL, best), EXIT_SUCCESS);
}
END_TEST

START_TEST(a_choice_that_makes_sense_stays) {
    if (!can_choose())
        return;
    ck_assert_int_eq(run_child("Haswell", NULL, "Haswell"), EXIT_SUCCESS);
    ck_assert_int_eq(run_child("Prescott", "keep", "Prescott"), EXIT_SUCCESS);
}
END_TEST

int main(int count, char **words) {
    if (count > 1)
        return child(words[1]);
    Suite *suite = suite_create("blas");
    TCase *tests = tcase_create("blas");
    tcase_add_test(tests, kernels_below_what_the_cpu_can_do_are_replaced);
    tcase_add_test(tests, a_choice_that_makes_sense_stays);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
