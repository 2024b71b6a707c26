/* Adam (D. Kingma, J. Ba, ICLR 2015), with decoupled weight decay λ (AdamW: I. Loshchilov,
 * F. Hutter, ICLR 2019). In step t = 1, 2, ...
 *
 *     m ← β1 m + (1 - β1) g;   v ← β2 v + (1 - β2) g²
 *     w ← (1 - lr λ) w - lr (m / (1 - β1ᵗ)) / (√(v / (1 - β2ᵗ)) + ε)
 *
 * What depends on t alone is worked out once a step, not once an element, so that one square root
 * and one division per element remain: w ← (1 - lr λ) w - rate[1] m / (√v rate[2] + ε). */
#include "optim/rule.h"

#include <math.h>

#include "kernel/adam.h"
#include "record.h"

enum { BETA1, BETA2, EPSILON, WEIGHT_DECAY, NUMBERS }; /* of the configuration */
enum { LR, STEP_SIZE, ROOT_SCALE, KEEP, RATES };

static void schedule(const double *config, double lr, int64_t step, double *rate) {
    rate[LR] = lr;
    rate[STEP_SIZE] = lr / (1 - pow(config[BETA1], (double)step));
    rate[ROOT_SCALE] = 1 / sqrt(1 - pow(config[BETA2], (double)step));
    rate[KEEP] = 1 - lr * config[WEIGHT_DECAY];
}

/* ---- the update as one op -------------------------------------------------------------------- */

enum { GRADIENT, MEAN, SQUARE, PARAMETER, ARRAYS };               /* operands, elementwise */
enum { BY_STEP_SIZE = ARRAYS, BY_ROOT_SCALE, BY_KEEP, OPERANDS }; /* scalars */
enum { NEW_MEAN, NEW_SQUARE, NEW_PARAMETER, RESULTS };

static bp_status infer(bp_signature *s) {
    for (int k = 0; k < RESULTS; k++)
        s->y[k] = s->x[PARAMETER];
    return bp_dtype_is_float(s->x[PARAMETER].dtype)
               ? BP_OK
               : bp_infer_fail(s, BP_ERR_DTYPE, "a parameter is f32 or f64");
}

static bpi_adam numbers_of(const bp_call *call) {
    const bp_array *x = call->x;
    const bp_dtype dtype = x[PARAMETER].type->dtype;
    return (bpi_adam){.beta1 = call->attr[BETA1].as.f,
                      .beta2 = call->attr[BETA2].as.f,
                      .epsilon = call->attr[EPSILON].as.f,
                      .step_size = bpi_load(dtype, x[BY_STEP_SIZE].data, 0),
                      .root_scale = bpi_load(dtype, x[BY_ROOT_SCALE].data, 0),
                      .keep = bpi_load(dtype, x[BY_KEEP].data, 0)};
}

static void sweep(const bp_call *call, int64_t first, int64_t n) {
    const bp_dtype dtype = call->x[PARAMETER].type->dtype;
    const size_t skip = (size_t)first * bp_dtype_size(dtype);
    const bpi_adam numbers = numbers_of(call);
    const void *x[ARRAYS];
    void *y[RESULTS];
    for (int k = 0; k < ARRAYS; k++)
        x[k] = (const char *)call->x[k].data + skip;
    for (int k = 0; k < RESULTS; k++)
        y[k] = (char *)call->y[k].data + skip;
    bpi_adam_for(dtype)(&numbers, n, x, y);
}

/* The reference: in double precision, rounded where something is stored. */
static bp_status forward(const bp_call *call) {
    const bp_array *x = call->x, *y = call->y;
    const bp_dtype dtype = x[PARAMETER].type->dtype;
    const bpi_adam c = numbers_of(call);
    for (int64_t i = 0; i < y->count; i++) {
        double g = bpi_load(dtype, x[GRADIENT].data, i);
        double m = c.beta1 * bpi_load(dtype, x[MEAN].data, i) + (1 - c.beta1) * g;
        double v = c.beta2 * bpi_load(dtype, x[SQUARE].data, i) + (1 - c.beta2) * g * g;
        double w = c.keep * bpi_load(dtype, x[PARAMETER].data, i);
        bpi_store(dtype, y[NEW_MEAN].data, i, m);
        bpi_store(dtype, y[NEW_SQUARE].data, i, v);
        bpi_store(dtype, y[NEW_PARAMETER].data, i,
                  w - c.step_size * m / (sqrt(v) * c.root_scale + c.epsilon));
    }
    return BP_OK;
}

/* Squares, sums and products, a square root and a division: 14 flops per element. */
static void cost(const bp_signature *s, double *flops, double *bytes) {
    double count = (double)bp_shape_count(s->x[PARAMETER].shape);
    *flops = 14 * count;
    *bytes = (ARRAYS + RESULTS) * count * (double)bp_dtype_size(s->x[PARAMETER].dtype);
}

/* Its attributes stand in the order of the configuration. */
static const bp_op op_adam = {
    .name = "adam",
    .summary = "New mean, square and parameter of a step of Adam.",
    .arity = BP_VARIADIC,
    .outputs = RESULTS,
    .attrs = {{"beta1", BP_ATTR_REAL}, {"beta2", BP_ATTR_REAL}, {"epsilon", BP_ATTR_REAL}},
    .infer = infer,
    .forward = forward,
    .cost = cost,
    .kernel = &(const bpi_kernels){.sweep = sweep},
};

static void update(bp_update *u) {
    bp_tensor *operands[OPERANDS] = {[GRADIENT] = u->gradient,
                                     [MEAN] = u->state[0],
                                     [SQUARE] = u->state[1],
                                     [PARAMETER] = u->parameter,
                                     [BY_STEP_SIZE] = u->rate[STEP_SIZE],
                                     [BY_ROOT_SCALE] = u->rate[ROOT_SCALE],
                                     [BY_KEEP] = u->rate[KEEP]};
    bp_attr attrs[WEIGHT_DECAY];
    for (int k = 0; k < WEIGHT_DECAY; k++)
        attrs[k] = bp_attr_real(u->config[k]);
    bp_tensor *mean = bp_record(&op_adam, operands, OPERANDS, attrs);
    u->new_state[0] = mean;
    u->new_state[1] = bp_output(mean, NEW_SQUARE);
    u->new_parameter = bp_output(mean, NEW_PARAMETER);
}

/* ---- the rule -------------------------------------------------------------------------------- */

const bp_rule bpi_rule_adam = {
    .name = "adam",
    .formula = "m' = β1 m + (1-β1) g; v' = β2 v + (1-β2) g²; "
               "w' = (1 - lr λ) w - lr (m' / (1-β1ᵗ)) / (√(v' / (1-β2ᵗ)) + ε)",
    .configs = NUMBERS,
    .states = 2,
    .state_names = {"mean", "square"},
    .rates = RATES,
    .schedule = schedule,
    .update = update,
};

bp_adam_config bp_adam_defaults(void) {
    return (bp_adam_config){.lr = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

bp_optimizer *bp_adam(bp_model *model, const bp_adam_config *config) {
    bp_adam_config c = config ? *config : bp_adam_defaults();
    if (!(c.beta1 >= 0 && c.beta1 < 1))
        return bpi_rule_refuse(model, "adam", "beta1", c.beta1, "use a number in [0, 1), e.g. 0.9");
    if (!(c.beta2 >= 0 && c.beta2 < 1))
        return bpi_rule_refuse(model, "adam", "beta2", c.beta2,
                               "use a number in [0, 1), e.g. 0.999");
    if (!(c.epsilon > 0 && isfinite(c.epsilon))) /* with 0 a gradient of 0 is divided by 0 */
        return bpi_rule_refuse(model, "adam", "epsilon", c.epsilon, "use e.g. 1e-8");
    if (!(c.weight_decay >= 0 && isfinite(c.weight_decay)))
        return bpi_rule_refuse(model, "adam", "weight_decay", c.weight_decay,
                               "use 0 for none, or e.g. 0.01");
    const double numbers[NUMBERS] = {c.beta1, c.beta2, c.epsilon, c.weight_decay};
    return bp_optimizer_new(model, &bpi_rule_adam, c.lr, numbers);
}
