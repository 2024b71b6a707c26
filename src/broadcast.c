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
    if (axes.count == extra) /* only dimensions that the shape does not have */
        return bp_sum(x, axes, false);
    bp_tensor *sum = bp_sum(x, axes, true);
    return extra > 0 ? bp_reshape(sum, shape) : sum;
}
