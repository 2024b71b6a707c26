/* softmax, log softmax and logsumexp, their gradients and the loss of classes as their definitions,
 * in double precision, summed exactly. */
#include <math.h>

#include "copy.h"
#include "exact.h"
#include "map_names.inc"
#include "softmax.h"

#define EACH "softmax_reference.inc"
#include "each_float.inc"

typedef void reference_fn(const bpi_pass *pass, const void *x, void *y);
typedef void grad_fn(const bpi_pass *pass, const void *y, const void *gy, void *gx);
typedef double loss_fn(const bpi_indices *index, int64_t n, const void *x, void *p);

void bpi_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    static reference_fn *const by_dtype[] = FLOATS(softmax_reference);
    by_dtype[dtype](pass, x, y);
}

void bpi_log_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    static reference_fn *const by_dtype[] = FLOATS(log_softmax_reference);
    by_dtype[dtype](pass, x, y);
}

void bpi_logsumexp_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y) {
    static void (*const by_dtype[])(const bpi_reduction *, const void *, void *) =
        FLOATS(logsumexp_reference);
    by_dtype[dtype](r, x, y);
}

void bpi_softmax_grad_reference(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                                void *gx) {
    static grad_fn *const by_dtype[] = FLOATS(softmax_grad_reference);
    by_dtype[dtype](pass, y, gy, gx);
}

void bpi_log_softmax_grad_reference(const bpi_pass *pass, bp_dtype dtype, const void *y,
                                    const void *gy, void *gx) {
    static grad_fn *const by_dtype[] = FLOATS(log_softmax_grad_reference);
    by_dtype[dtype](pass, y, gy, gx);
}

double bpi_class_loss_reference(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *x,
                                void *p) {
    static loss_fn *const by_dtype[] = FLOATS(class_loss_reference);
    return by_dtype[dtype](index, n, x, p);
}
