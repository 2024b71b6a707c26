/* The formulas in an op's record against what it computes. */
#ifndef BPI_CHECK_FORMULA_H
#define BPI_CHECK_FORMULA_H

#include "compare.h"

/* A node of an op whose gradients are known: those of Σ_k <c_k, y_k> over its float outputs. */
typedef struct bpi_known_node {
    bpi_node *node;
    bp_tensor *const *c;
    int copies;       /* of the node: c has the cotangents of each, which are added up */
    int inputs;       /* operands that have a gradient */
    const int *which; /* which operand that is */
    double *const *gradient;
    const char *where; /* as in bpi_subject */
} bpi_known_node;

/* Evaluates the formulas, as far as they can be, and compares: BP_ERR_CHECK with the report filled
 * where they say something else. */
bp_status bpi_check_formulas(bpi_check *check, const bpi_known_node *known);

#endif
