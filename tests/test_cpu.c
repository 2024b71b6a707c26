/* Instruction sets: their names, forcing one, and the environment. */
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/map.h"
#include "suite.h"

START_TEST(levels_have_names_and_can_be_forced) {
    ck_assert(bpi_cpu_has(BPI_CPU_REFERENCE));
    ck_assert(!bpi_cpu_has(BPI_CPU_COUNT));
    ck_assert(!bpi_cpu_force(BPI_CPU_COUNT));
    for (int level = 0; level < BPI_CPU_COUNT; level++) {
        bool has = bpi_cpu_has((enum bpi_cpu_level)level);
        ck_assert(bpi_cpu_force((enum bpi_cpu_level)level) == has);
        if (has)
            ck_assert_str_eq(bpi_cpu_name(), bpi_cpu_level_name((enum bpi_cpu_level)level));
    }
    ck_assert(bpi_cpu_force(BPI_CPU_REFERENCE));
    ck_assert(bpi_map(BPI_MAP_EXP, BP_F32) == bpi_map_reference(BPI_MAP_EXP, BP_F32));
    ck_assert_str_eq(bpi_cpu_level_name(BPI_CPU_COUNT), "?");
}
END_TEST

START_TEST(the_environment_can_lower_the_level) {
    static const char *const names[] = {"reference", "sse2", "avx512", "nonsense"};
    ck_assert_int_eq(setenv("BP_ISA", names[_i], 1), 0); /* each test is a process of its own */
    const char *name = bpi_cpu_name();
    for (int level = 0; level < BPI_CPU_COUNT; level++)
        if (strcmp(bpi_cpu_level_name((enum bpi_cpu_level)level), names[_i]) == 0 &&
            bpi_cpu_has((enum bpi_cpu_level)level))
            ck_assert_str_eq(name, names[_i]);
    ck_assert(_i < 3 || strcmp(name, names[3]) != 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cpu");
    TCase *cases = tcase_create("cpu");
    tcase_add_test(cases, levels_have_names_and_can_be_forced);
    tcase_add_loop_test(cases, the_environment_can_lower_the_level, 0, 4);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
