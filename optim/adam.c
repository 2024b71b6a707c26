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

enum { BETA1, BETA2, EPSILON, WEIGHT_DECAY, NUMBERS };
enum { LR, STEP_SIZE, ROOT_SCALE, KEEP, RATES };

static void schedule(const double *config, double lr, int64_t step, double *rate) {
    rate[LR] = lr;
    rate[STEP_SIZE] = lr / (1 - pow(config[BETA1], (double)step));
    rate[ROOT_SCALE] = 1 / sqrt(1 - pow(config[BETA2], (double)step));
    rate[KEEP] = 1 - lr * config[WEIGHT_DECAY];
}

/* The moving average c·old + (1-c)·now. */
static bp_tensor *average(bp_tensor *old, bp_tensor *now, double c) {
    return bp_add(bpi_rule_scale(old, c), bpi_rule_scale(now, 1 - c));
}

static void update(bp_update *u) {
    bp_tensor *w = u->parameter, *g = u->gradient;
    bp_tensor *m = average(u->state[0], g, u->config[BETA1]);
    bp_tensor *v = average(u->state[1], bp_square(g), u->config[BETA2]);
    bp_tensor *epsilon = bp_full(u->graph, bp_tensor_dtype(w), BP_SCALAR, u->config[EPSILON]);
    bp_tensor *root = bp_add(bp_mul(bp_sqrt(v), u->rate[ROOT_SCALE]), epsilon);
    if (u->config[WEIGHT_DECAY] != 0)
        w = bp_mul(w, u->rate[KEEP]);
    u->new_state[0] = m;
    u->new_state[1] = v;
    u->new_parameter = bp_sub(w, bp_div(bp_mul(m, u->rate[STEP_SIZE]), root));
}

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
    if (!(c.epsilon >= 0 && isfinite(c.epsilon)))
        return bpi_rule_refuse(model, "adam", "epsilon", c.epsilon, "use e.g. 1e-8");
    if (!(c.weight_decay >= 0 && isfinite(c.weight_decay)))
        return bpi_rule_refuse(model, "adam", "weight_decay", c.weight_decay,
                               "use 0 for none, or e.g. 0.01");
    const double numbers[NUMBERS] = {c.beta1, c.beta2, c.epsilon, c.weight_decay};
    return bp_optimizer_new(model, &bpi_rule_adam, c.lr, numbers);
}
