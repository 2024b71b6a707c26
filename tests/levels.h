/* Tests of kernels at every instruction set that this machine has. */
#ifndef LEVELS_H
#define LEVELS_H

#include <backprop.h>

#include "kernel/cpu.h"

/* Runs a test of both float types at every instruction set. */
static inline void at_every_level(void (*test)(bp_dtype dtype)) {
    enum bpi_cpu_level before = bpi_cpu_level();
    for (int level = 0; level < BPI_CPU_COUNT; level++)
        for (bp_dtype dtype = BP_F32; bpi_cpu_force((enum bpi_cpu_level)level) && dtype <= BP_F64;
             dtype++)
            test(dtype);
    bpi_cpu_force(before);
}

#endif
