/* Softmax cross-entropy: the loss of classification. The target holds class numbers, or a
 * probability for every class.
 *
 * Bridle 1990; the gradient of softmax and cross-entropy together is (p - t) / n, which neither
 * overflows nor divides. Probabilities need not sum to 1: their sum is then the
 * weight of the sample. */
#include "record.h"

#include "graph.h"
#include "kernel/softmax.h"
#include "text.h"

static bool is_index(bp_dtype dtype) { return dtype == BP_I32 || dtype == BP_I64; }

/* ---- the shape rule -------------------------------------------------------------------------- */

static bp_status infer_classes(bp_signature *s) {
    bp_shape samples = s->x[0].shape, target = s->x[1].shape;
    samples.rank--;
    if (bp_shape_equal(samples, target))
        return BP_OK;
    char have[BPI_SHAPE_TEXT], want[BPI_SHAPE_TEXT];
    const char *hint = "one class number for every sample";
    if (bp_shape_equal(s->x[0].shape, target))
        hint = "one class number for every sample; if these are probabilities, bp_cast them to the "
               "dtype of the logits";
    else if (bp_shape_count(samples) == bp_shape_count(target))
        hint = "did you mean to bp_reshape the target?";
    return bp_infer_fail(s, BP_ERR_SHAPE, "an integer target must have shape %s, not %s: %s",
                         bpi_shape_text(&samples, want), bpi_shape_text(&target, have), hint);
}

static bp_status infer_probabilities(bp_signature *s) {
    bp_shape samples = s->x[0].shape;
    samples.rank--;
    if (bp_shape_equal(samples, s->x[1].shape))
        return bp_infer_fail(s, BP_ERR_DTYPE,
                             "class numbers must be i32 or i64, not %s; bp_cast them, or give "
                             "probabilities in the shape of the logits",
                             bp_dtype_name(s->x[1].dtype));
    return bp_infer_same(s);
}

static bp_status infer(bp_signature *s) {
    if (!bp_dtype_is_float(s->x[0].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE, "logits must be f32 or f64, not %s",
                             bp_dtype_name(s->x[0].dtype));
    if (s->x[0].shape.rank < 1)
        return bp_infer_fail(s, BP_ERR_SHAPE, "logits need a last dimension: one logit per class");
    bp_status status = is_index(s->x[1].dtype) ? infer_classes(s) : infer_probabilities(s);
    s->y[0] = (bp_type){.dtype = s->x[0].dtype, .shape = BP_SCALAR};
    return status;
}

/* ---- with class numbers ---------------------------------------------------------------------- */

static int64_t class_count(const bp_shape *logits) { return logits->size[logits->rank - 1]; }

static double sample_count(bp_tensor *logits) {
    bp_shape shape = bp_tensor_shape(logits);
    shape.rank--;
    return (double)bp_shape_count(shape);
}

/* One over the number of samples; 0 without samples, whose gradient is empty. */
static bp_tensor *share_of(bp_tensor *logits) {
    double samples = sample_count(logits);
    return bpi_scalar_like(logits, samples > 0 ? 1 / samples : 0);
}

static bp_status infer_classes_loss(bp_signature *s) {
    if (!is_index(s->x[1].dtype))
        return bp_infer_fail(s, BP_ERR_DTYPE, "class numbers must be i32 or i64");
    bp_status status = infer(s);
    s->y[1] = s->x[0];
    return status;
}

/* The classes of a call, operand 1, checked: -1 where one is not there. */
static bp_status classes_of(const bp_call *call, bpi_indices *index) {
    int64_t n = class_count(&call->x[0].type->shape);
    *index = (bpi_indices){call->x[1].data, call->x[1].type->dtype, call->x[1].count};
    int64_t bad = bpi_index_bad(index, n);
    if (bad < 0)
        return BP_OK;
    return bp_kernel_fail(
        call, BP_ERR_VALUE, "class %lld of sample %lld is not in 0..%lld (%lld classes)",
        (long long)bpi_index_at(index, bad), (long long)bad, (long long)n - 1, (long long)n);
}

typedef double loss_fn(const bpi_indices *, int64_t, bp_dtype, const void *, void *);

static bp_status run_classes(const bp_call *call, loss_fn *run) {
    bpi_indices index;
    bp_status status = classes_of(call, &index);
    if (status != BP_OK)
        return status;
    bp_dtype dtype = call->x[0].type->dtype;
    double loss =
        run(&index, class_count(&call->x[0].type->shape), dtype, call->x[0].data, call->y[1].data);
    bpi_store(dtype, call->y[0].data, 0, loss / (double)index.count);
    return BP_OK;
}

static bp_status classes_forward(const bp_call *call) {
    return run_classes(call, bpi_class_loss_reference);
}

static bp_status classes_fast(const bp_call *call) {
    return run_classes(call, bpi_class_loss_fast);
}

static bp_status classes_grad_forward(const bp_call *call) {
    bpi_indices index;
    bp_status status = classes_of(call, &index);
    if (status == BP_OK)
        bpi_class_loss_grad(&index, class_count(&call->x[0].type->shape), call->x[0].type->dtype,
                            call->x[0].data, call->x[2].data, call->y[0].data);
    return status;
}

static bp_status infer_classes_loss_grad(bp_signature *s) {
    bp_status status = infer_classes_loss(s);
    if (status == BP_OK && (s->x[2].shape.rank > 0 || s->x[2].dtype != s->x[0].dtype))
        status = bp_infer_fail(s, BP_ERR_SHAPE, "g must be a scalar of the dtype of p");
    s->y[0] = s->x[0];
    return status;
}

static void classes_grad_vjp(bp_vjp *v) {
    bp_tensor *p = v->x[0], *gy = v->gy[0];
    bp_shape shape = bp_tensor_shape(p);
    if (v->need[0])
        v->gx[0] = bp_mul(gy, v->x[2]);
    if (v->need[2]) {
        bp_tensor *t = bp_one_hot(v->x[1], class_count(&shape), bp_tensor_dtype(p));
        v->gx[2] = bp_sum(bp_mul(gy, bp_sub(p, t)), BP_ALL, false);
    }
}

const bp_op bpi_op_cross_entropy_classes_grad = {
    .name = "cross_entropy_classes_grad",
    .summary = "The gradient of cross_entropy_classes from its result p, the target, and the "
               "cotangent g of the sum of all losses.",
    .arity = 3,
    .operands = {{"p", false}, {"target", true}, {"g", false}},
    .infer = infer_classes_loss_grad,
    .vjp = classes_grad_vjp,
    .forward = classes_grad_forward,
    .formula = "y = g * (p - one_hot(target, p))",
    .gradient = "gp = gy * g; gg = sum(gy * (p - one_hot(target, p)))",
    .source = "Bridle 1990",
    .samples = (const char *const[]){"[4,5] [4]:i64{4,0,2,2} []", "[1,3] [1]:i32{1} []",
                                     "[3] []:i64{2} []", "[2,3,4] [2,3]:i64<4 []",
                                     "[0,3] [0]:i64<3 []", NULL},
};

static void classes_vjp(bp_vjp *v) {
    bp_tensor *logits = v->x[0], *p = v->y[1], *gx = NULL;
    if (v->gy[0])
        gx = bpi_record3(&bpi_op_cross_entropy_classes_grad, p, v->x[1],
                         bp_mul(v->gy[0], share_of(logits)), NULL);
    if (v->gy[1]) {
        bp_tensor *more =
            bp_mul(p, bp_sub(v->gy[1], bp_sum(bp_mul(v->gy[1], p), BP_AXES(-1), true)));
        gx = gx ? bp_add(gx, more) : more;
    }
    v->gx[0] = gx;
}

/* Maximum, subtraction, exponential (as 10), sum and division for every element. */
static void classes_cost(const bp_signature *s, double *flops, double *bytes) {
    bpi_cost_map(s, 0, flops, bytes);
    *flops = 14 * (double)bp_shape_count(s->x[0].shape);
}

const bp_op bpi_op_cross_entropy_classes = {
    .name = "cross_entropy_classes",
    .summary = "The mean cross-entropy of softmax(logits) and class numbers; the second result is "
               "the softmax, of which the gradient is made.",
    .arity = 2,
    .outputs = 2,
    .operands = {{"logits", false}, {"target", true}},
    .infer = infer_classes_loss,
    .vjp = classes_vjp,
    .forward = classes_forward,
    .cost = classes_cost,
    .formula = "n = size(logits) / size(logits, -1); "
               "loss = -sum(one_hot(target, logits) * log_softmax(logits, -1)) / n; "
               "p = softmax(logits, -1)",
    .gradient = "n = size(logits) / size(logits, -1); "
                "glogits = gloss / n * (p - one_hot(target, logits)) + p * (gp - sum(gp * p, -1))",
    .source = "Bridle 1990",
    .samples = (const char *const[]){"[4,5] [4]:i64{4,0,2,2}", "[1,3] [1]:i32{1}", "[3] []:i64{2}",
                                     "[2,3,4] [2,3]:i64<4", "[3,4](-5,5) [3]:i32<4",
                                     "[0,3] [0]:i64<3", NULL},
    .kernel = &(const bpi_kernels){.fast = classes_fast},
};

/* ---- the op ---------------------------------------------------------------------------------- */

static bp_tensor *lower(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    (void)inputs, (void)attr;
    bp_tensor *logits = x[0], *target = x[1];
    if (is_index(bp_tensor_dtype(target)))
        return bpi_record2(&bpi_op_cross_entropy_classes, logits, target, NULL);
    bp_tensor *sum = bp_sum(bp_mul(target, bp_log_softmax(logits, -1)), BP_ALL, false);
    return bp_mul(sum, bpi_scalar_like(logits, -1 / sample_count(logits)));
}

/* With class numbers the loss is recorded again: the planner finds that it is there already. */
static void cross_entropy_vjp(bp_vjp *v) {
    bp_tensor *logits = v->x[0], *target = v->x[1];
    bp_tensor *g = bp_mul(v->gy[0], share_of(logits));
    bool classes = is_index(bp_tensor_dtype(target));
    if (v->need[0] && classes) {
        bp_tensor *loss = bpi_record2(&bpi_op_cross_entropy_classes, logits, target, NULL);
        v->gx[0] =
            bpi_record3(&bpi_op_cross_entropy_classes_grad, bp_output(loss, 1), target, g, NULL);
    } else if (v->need[0]) {
        bp_tensor *sum = bp_sum(target, BP_AXES(-1), true);
        v->gx[0] = bp_mul(bp_sub(bp_mul(bp_softmax(logits, -1), sum), target), g);
    }
    if (v->need[1])
        v->gx[1] = bp_mul(bp_neg(bp_log_softmax(logits, -1)), g);
}

const bp_op bpi_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "The mean over samples of the cross-entropy of softmax(logits) and a target: class "
               "numbers, or probabilities, which one_hot leaves as they are.",
    .arity = 2,
    .operands = {{.name = "logits"}, {.name = "target"}},
    .infer = infer,
    .vjp = cross_entropy_vjp,
    .lower = lower,
    .formula = "n = size(logits) / size(logits, -1); t = one_hot(target, logits); "
               "y = -sum(t * log_softmax(logits, -1)) / n",
    .gradient = "n = size(logits) / size(logits, -1); t = one_hot(target, logits); "
                "glogits = gy / n * (softmax(logits, -1) * sum(t, -1) - t); "
                "gtarget = -gy / n * log_softmax(logits, -1)",
    .source = "as in PyTorch",
    .samples =
        (const char *const[]){"[4,5] [4,5]:prob", "[4,5] [4]:i64{4,0,2,2}", "[1,3] [1]:i32{1}",
                              "[3] []:i64{2}", "[3] [3]:prob", "[2,3,4] [2,3]:i64<4",
                              "[2,3,4] [2,3,4]", "[3,4](-5,5) [3]:i32<4", "[0,3] [0]:i64<3", NULL},
};

bp_tensor *bp_cross_entropy(bp_tensor *logits, bp_tensor *target) {
    return bpi_record2(&bpi_op_cross_entropy, logits, target, NULL);
}
