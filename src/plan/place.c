/* Placement: where each register lives, and for how long. */
#include "inside.h"

static void place_results(bpi_program *program) {
    for (size_t k = 0; k < program->reg_count; k++) {
        bpi_reg *reg = &program->regs[k];
        if (reg->root != k || reg->home != BPI_HOME_RESULT)
            continue;
        reg->at.offset = program->result_bytes;
        program->result_bytes += bpi_aligned(reg->bytes);
    }
}

bp_status bpi_place(bpi_program *program, bool arena) {
    (void)arena;
    place_results(program);
    return BP_OK;
}
