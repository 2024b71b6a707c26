/* Backward functions on plain arrays, made into ops of their own. */
#ifndef BPI_DERIVED_H
#define BPI_DERIVED_H

#include "graph.h"

/* The VJP rule of an op with `backward`: records one node of an op "<name>.backward", whose kernel
 * calls it. That op has no VJP: a second derivative through it is an error that names it. */
void bpi_derived_vjp(bp_vjp *v);
/* Why an op has no VJP, and what to do. */
const char *bpi_no_vjp_text(const bp_op *op);
void bpi_derived_free(bp_model *model);

#endif
