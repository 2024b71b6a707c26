/* Running a suite. */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stdlib.h>

/* Returns what `main` returns. */
static inline int run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Runs a suite of one test case, each test between `set_up` and `tear_down`, or alone where they
 * are NULL, and within so many seconds. */
static inline int run_tests(const char *name, SFun set_up, SFun tear_down, double seconds,
                            const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    if (set_up)
        tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, seconds);
    for (size_t k = 0; k < count; k++)
        tcase_add_test(cases, tests[k]);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}

#endif
