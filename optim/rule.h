/* What the optimizers share. */
#ifndef BPI_RULE_H
#define BPI_RULE_H

#include <backprop.h>

#include "graph.h"

#define BPI_OPTIMIZER(name) extern const bp_rule bpi_rule_##name;
#include "optim/list.def"
#undef BPI_OPTIMIZER

/* x times a number of the configuration: a constant, which belongs to the plan. */
static inline bp_tensor *bpi_rule_scale(bp_tensor *x, double factor) {
    bp_dtype dtype = bp_tensor_dtype(x);
    return bp_mul(x, bp_full(bp_tensor_graph(x), dtype, BP_SCALAR, factor));
}

/* Refuses a configuration: `number` is the one at fault. Returns NULL. */
static inline bp_optimizer *bpi_rule_refuse(bp_model *model, const char *rule, const char *number,
                                            double value, const char *fix) {
    bpi_model_fail(model, BP_ERR_VALUE, "%s: %s is %g; %s", rule, number, value, fix);
    return NULL;
}

#endif
