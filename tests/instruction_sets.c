/* Prints the instruction sets of this CPU, a line each, without the one that is
 * chosen by itself. */
#include <stdio.h>

#include "kernel/cpu.h"

int main(void) {
    enum bpi_cpu_level chosen = bpi_cpu_level();
    for (int level = 0; level < BPI_CPU_COUNT; level++)
        if (bpi_cpu_has((enum bpi_cpu_level)level) && level != (int)chosen)
            puts(bpi_cpu_level_name((enum bpi_cpu_level)level));
    return 0;
}
