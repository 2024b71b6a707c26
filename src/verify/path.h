/* The way that cotangents take from a loss back to a tensor. */
#ifndef BPI_PATH_H
#define BPI_PATH_H

#include "../graph.h"

typedef struct bpi_path {
    bpi_closure
        closure; /* what the loss depends on, in the order of recording; slots are places in it */
    bool *on;    /* by slot: depends on the tensor, and gradients flow that way */
    int *uses;   /* by slot: as how many operands of nodes in the closure */
    int *consumers; /* by slot: as how many operands of nodes on the path, into which they flow */
} bpi_path;

/* Works out the path from losses of one graph back to `wrt`, or to all leaves where that is NULL;
 * free it with bpi_path_free, also after a failure. Slots hold until the graph runs or is
 * differentiated; bpi_path_renumber sets them again. */
bp_status bpi_path_of(bp_tensor *const *losses, int count, const bp_tensor *wrt, bpi_path *path);
void bpi_path_renumber(bpi_path *path);
void bpi_path_free(bpi_path *path);
/* Whether a cotangent flows from a node into its operand k, on the path. */
bool bpi_path_flows(const bpi_path *path, const bpi_node *node, int k);

#endif
