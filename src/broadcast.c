/* Un-broadcasting: the one place where a cotangent is summed over dimensions that
 * broadcasting repeated. */
#include "graph.h"

bp_tensor *bpi_sum_to(bp_tensor *x, bp_shape shape) {
    if (!x || bp_shape_equal(x->type->shape, shape))
        return x;
    bp_axes axes = {0};
    int extra = x->type->shape.rank - shape.rank;
    for (int k = 0; k < x->type->shape.rank; k++)
        if (k < extra || (shape.size[k - extra] == 1 && x->type->shape.size[k] != 1))
            axes.axis[axes.count++] = k;
    return bp_reshape(bp_sum(x, axes, true), shape);
}
