/* A private f64 copy of a recorded computation, to be differentiated and disturbed. */
#ifndef BPI_SCRATCH_H
#define BPI_SCRATCH_H

#include "compare.h"

typedef struct bpi_scratch {
    bp_graph *original,
        *graph; /* the f64 copy, and the copy with frozen operands; both run naively */
    bp_tensor *loss, *wrt;
    bp_tensor **x; /* float inputs and parameters that the loss depends on, now inputs */
    int inputs;
    bool kinked;  /* some op in it has kinks */
    double nudge; /* by how much values were moved away from kinks; 0: not at all */
} bpi_scratch;

/* Copies what `loss` and, unless it is NULL, `wrt` depend on, in f64. Where an op lets no gradient
 * into a float operand (detach, the argument of a derivative that was recorded as an op), the
 * operand keeps its present value in the copy, so that differences see what reverse mode is meant
 * to see. Where values stand on a kink, all of them are moved a little. Close it in any case. */
bp_status bpi_scratch_open(bpi_check *check, bp_tensor *loss, bp_tensor *wrt, bpi_scratch *scratch);
void bpi_scratch_close(bpi_scratch *scratch);

/* Copies what tensors of one graph depend on into graph `to`, in f64. */
bp_status bpi_copy_as_f64(bpi_check *check, bp_graph *to, bp_tensor *const *targets, int count,
                          bp_tensor **copies);

#endif
