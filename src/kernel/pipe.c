/* Finds the pipes of the instruction set in use. With SSE2 there are none: its registers hold so
 * little that the jumps would take longer than the passes do. */
#include "pipe.h"

#include "tables.h"

BPI_WIDE_TABLES(bpi_pipe, pipe)

const bpi_pipe *bpi_pipe_for(bp_dtype dtype) { return table_of(dtype); }

bpi_pipe_fn *bpi_pipe_find(const bpi_pipe_ops *ops, enum bpi_map_slot slot, int group,
                           bool scalar) {
    for (const bpi_pipe_op *op = ops->op; op < ops->op + ops->count; op++)
        if (op->slot == slot && (op->group & group) && op->scalar == scalar)
            return op->run;
    return NULL;
}
