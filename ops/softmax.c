/* softmax and its logarithm along one axis. Their gradients use the result, not the operand:
 * gx = y (gy - Σ gy y), and gx = gy - exp(y) Σ gy for the logarithm. */
#include "kernel/softmax.h"

#include <stddef.h>

#include "axis.h"

static bp_status softmax_infer(bp_signature *s) {
    int axis = 0;
    bp_status status = bp_infer_float(s);
    return status == BP_OK ? bpi_infer_axis(s, s->x[0].shape.rank, &axis) : status;
}

static bp_tensor *sum_along(bp_tensor *x, const bp_attr *attr) {
    return bp_sum(x, BP_AXES((int)attr->as.i), true);
}

static void softmax_vjp(bp_vjp *v) {
    bp_tensor *y = v->y[0], *gy = v->gy[0];
    v->gx[0] = bp_mul(y, bp_sub(gy, sum_along(bp_mul(gy, y), v->attr)));
}

static void log_softmax_vjp(bp_vjp *v) {
    bp_tensor *y = v->y[0], *gy = v->gy[0];
    v->gx[0] = bp_sub(gy, bp_mul(bp_exp(y), sum_along(gy, v->attr)));
}

static bp_status softmax_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status softmax_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_softmax_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data,
                     call->workspace);
    return BP_OK;
}

static bp_status log_softmax_forward(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_reference(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data);
    return BP_OK;
}

static bp_status log_softmax_fast(const bp_call *call) {
    bpi_pass pass = bpi_along(&call->x[0].type->shape, call->attr);
    bpi_log_softmax_fast(&pass, call->x[0].type->dtype, call->x[0].data, call->y[0].data,
                         call->workspace);
    return BP_OK;
}

static size_t softmax_workspace(const bp_signature *s) {
    bpi_pass pass = bpi_along(&s->x[0].shape, s->attr);
    return bpi_softmax_workspace(&pass, bp_dtype_size(s->x[0].dtype));
}

/* Maximum, subtraction, exponential (as 10), sum and division for every element. */
static void softmax_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 14, flops, bytes);
}

static const char *const samples[] = {"[4] | axis=0",
                                      "[3,4] | axis=1",
                                      "[3,4] | axis=0",
                                      "[3,4] | axis=-1",
                                      "[2,3,4] | axis=1",
                                      "[2,3,2] | axis=-3",
                                      "[1,4] | axis=1",
                                      "[2,3](80,90) | axis=1",
                                      "[0,3] | axis=1",
                                      "[3,0] | axis=1",
                                      NULL};

const bp_op bpi_op_softmax = {
    .name = "softmax",
    .summary = "Exponentials divided by their sum along one axis: positive, and summing to 1.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = softmax_vjp,
    .forward = softmax_forward,
    .workspace = softmax_workspace,
    .cost = softmax_cost,
    .formula = "y = exp(x) / sum(exp(x), axis)",
    .gradient = "gx = y * (gy - sum(gy * y, axis))",
    .source = "Bridle 1990; the maximum is subtracted first: Blanchard, Higham, Higham, Accurately "
              "computing the log-sum-exp and softmax functions, 2021",
    .samples = samples,
    .kernel = &(const bpi_kernels){.fast = softmax_fast},
};

const bp_op bpi_op_log_softmax = {
    .name = "log_softmax",
    .summary = "The logarithm of softmax along one axis, without its rounding to 0.",
    .arity = 1,
    .operands = {{"x", false}},
    .attrs = {{"axis", BP_ATTR_INT}},
    .infer = softmax_infer,
    .vjp = log_softmax_vjp,
    .forward = log_softmax_forward,
    .workspace = softmax_workspace,
    .cost = softmax_cost,
    .formula = "y = x - log(sum(exp(x), axis))",
    .gradient = "gx = gy - exp(y) * sum(gy, axis)",
    .source = "PyTorch's log_softmax",
    .samples = samples,
    .kernel = &(const bpi_kernels){.fast = log_softmax_fast},
};

bp_tensor *bp_softmax(bp_tensor *x, int axis) {
    return bpi_record1(&bpi_op_softmax, x, (bp_attr[]){bp_attr_int(axis)});
}

bp_tensor *bp_log_softmax(bp_tensor *x, int axis) {
    return bpi_record1(&bpi_op_log_softmax, x, (bp_attr[]){bp_attr_int(axis)});
}
